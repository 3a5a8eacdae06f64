"""Decode messages into clouds, and log each oddity once."""

from collections.abc import Sequence
from dataclasses import dataclass

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.clouds.cloud_decoder import CloudDecoder
from lidar_vl_core.clouds.intensity import IntensityScale
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.thinning import ThinnedCloud, thinned
from lidar_vl_ros.health.reporter import Reporter

_MOST_LIDARS = 8  # whose intensity scales are kept


@dataclass
class _Lidar:
    decoder: CloudDecoder
    told_scale: IntensityScale | None = None
    told_notes: int = 0


class CloudReading:
    """One intensity scale for each LiDAR, by its frame, kept while the node is configured."""

    def __init__(
        self,
        node: LifecycleNode,
        reporter: Reporter,
        intensity_max: float | None,
        max_points: int,
        extra_fields: Sequence[str] = (),
        colours: bool = False,
        times: bool = False,
        fields_may_lack: bool = False,
    ) -> None:
        """intensity_max, extra_fields, colours, times: as for CloudDecoder. max_points: no more are processed.

        fields_may_lack: of extra_fields only those are read that a LiDAR's first cloud has; else clouds without them are refused.
        """
        self._node, self._reporter, self._max_points = node, reporter, max_points

        def open_decoder(message: PointCloud2) -> CloudDecoder:
            found = {field.name for field in message.fields}
            fields = [name for name in extra_fields if name in found] if fields_may_lack else extra_fields
            return CloudDecoder(fields, intensity_max, colours=colours, times=times)

        self._open_decoder = open_decoder
        self._lidars: dict[str, _Lidar] = {}  # the one that sent last comes last

    def cloud_of(self, message: PointCloud2) -> PointCloud:
        """The cloud of a message. Raises BadPointCloud."""
        lidar = self._lidar(message)
        cloud = lidar.decoder.decode(message)
        if lidar.decoder.scale != lidar.told_scale:
            lidar.told_scale = lidar.decoder.scale
            self._node.get_logger().info(f"intensity of clouds of {cloud.frame_id}: {lidar.told_scale}")
        for note in lidar.decoder.notes[lidar.told_notes :]:
            self._node.get_logger().warning(note)
            lidar.told_notes += 1
        return cloud

    def looked_at(self, cloud: PointCloud) -> ThinnedCloud:
        """At most max_points of a cloud; logged if that is not all of it."""
        found = thinned(cloud, self._max_points)
        if found.rows is not None:
            self._reporter.lasting_problem(
                "thinned",
                f"cloud of {len(cloud)} points: max_points is {self._max_points}, only so many, spread evenly, are "
                "processed and the others get no answer. Raise max_points if this computer is fast enough.",
            )
        return found

    def _lidar(self, message: PointCloud2) -> _Lidar:
        frame_id = message.header.frame_id
        lidar = self._lidars.pop(frame_id, None) or _Lidar(self._open_decoder(message))
        self._lidars[frame_id] = lidar
        if len(self._lidars) > _MOST_LIDARS:
            del self._lidars[next(iter(self._lidars))]
        return lidar
