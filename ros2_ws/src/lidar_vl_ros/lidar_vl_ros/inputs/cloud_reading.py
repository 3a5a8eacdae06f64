"""Messages as clouds, and what is odd about them in the log, each once."""

from collections.abc import Sequence

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.clouds.cloud_decoder import CloudDecoder
from lidar_vl_core.clouds.intensity import IntensityScale
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.thinning import ThinnedCloud, thinned
from lidar_vl_ros.health.reporter import Reporter


class CloudReading:
    """One intensity scale for the node's topic, kept while the node is configured."""

    def __init__(
        self,
        node: LifecycleNode,
        reporter: Reporter,
        intensity_max: float | None,
        max_points: int,
        extra_fields: Sequence[str] = (),
        colours: bool = False,
    ) -> None:
        """intensity_max, extra_fields, colours: as of CloudDecoder. max_points: more are not looked at."""
        self._node, self._reporter, self._max_points = node, reporter, max_points
        self._decoder = CloudDecoder(extra_fields, intensity_max, colours=colours)
        self._told_scale: IntensityScale | None = None
        self._told_notes = 0

    def cloud_of(self, message: PointCloud2) -> PointCloud:
        """The cloud of a message. Raises BadPointCloud."""
        cloud = self._decoder.decode(message)
        if self._decoder.scale != self._told_scale:
            self._told_scale = self._decoder.scale
            self._node.get_logger().info(f"intensity of all clouds: {self._told_scale}")
        for note in self._decoder.notes[self._told_notes :]:
            self._node.get_logger().warning(note)
            self._told_notes += 1
        return cloud

    def looked_at(self, cloud: PointCloud) -> ThinnedCloud:
        """At most max_points of a cloud; told where that is not all of it."""
        found = thinned(cloud, self._max_points)
        if found.rows is not None:
            self._reporter.lasting_problem(
                "thinned",
                f"cloud of {len(cloud)} points: max_points is {self._max_points}, so many of them, spread evenly, are "
                "looked at and the others get no answer. Raise it if this computer is fast enough.",
            )
        return found
