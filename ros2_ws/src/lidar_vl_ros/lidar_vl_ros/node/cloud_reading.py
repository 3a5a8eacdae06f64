"""Messages as clouds, and what is odd about them in the log, each once."""

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.clouds.cloud_decoder import CloudDecoder
from lidar_vl_core.clouds.intensity import IntensityScale
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_ros.node.settings import SegmentationParameters


class CloudReading:
    """One intensity scale for the node's topic, kept while the node is configured."""

    def __init__(self, node: LifecycleNode, settings: SegmentationParameters, colours: bool) -> None:
        self._node = node
        self._decoder = CloudDecoder(settings.extra_fields, settings.intensity_max or None, colours=colours)
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
