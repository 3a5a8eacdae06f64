"""Assemble one cloud per message: its points at its stamp, and those of additional LiDARs, each from its own pose and time."""

from collections.abc import Callable, Iterator
from typing import Protocol

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.thinning import ThinnedCloud
from lidar_vl_core.foundation.errors import BadPointCloud, BadTransform, without_numbers
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformToCome
from lidar_vl_core.sweeps.compensation import SweepCompensation
from lidar_vl_core.sweeps.merging import PlacedCloud, merged_clouds
from lidar_vl_ros.health.health import Report
from lidar_vl_ros.health.lidar_health import LidarHealth
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.cloud_reading import CloudReading
from lidar_vl_ros.inputs.lidar_parameters import LidarParameters
from lidar_vl_ros.inputs.live_transforms import LiveTransforms
from lidar_vl_ros.inputs.other_lidars import OtherLidars
from lidar_vl_ros.inputs.patience import Patience
from lidar_vl_ros.messages.publishers import told_publishers


class AssemblyParameters(Protocol):
    """The parameters of a node that matter here."""

    compensate_motion: bool
    intensity_max: float
    lidars: dict[str, LidarParameters]
    lidar_max_wait_s: float


class MissingLidar(BadPointCloud):
    """The cloud of a required LiDAR is missing."""


class CloudAssembly:
    """Reads, compensates and merges in the worker's thread; what is missing is counted and reported, never made up."""

    def __init__(
        self,
        node: LifecycleNode,
        reporter: Reporter,
        transforms: LiveTransforms,
        parameters: AssemblyParameters,
        open_reading: Callable[[float, bool], CloudReading],
    ) -> None:
        """open_reading: makes the reader for one LiDAR from its full scale of intensity, 0 if unknown, and whether it is the node's own topic."""
        self._node, self._reporter, self._transforms, self._parameters = node, reporter, transforms, parameters
        self._others = OtherLidars(node, parameters.lidars)
        self._reading = open_reading(parameters.intensity_max, True)
        self._readings = {name: open_reading(lidar.intensity_max, False) for name, lidar in parameters.lidars.items()}
        self._compensation = SweepCompensation()
        self._health = {name: LidarHealth(lidar.topic, lidar.required) for name, lidar in parameters.lidars.items()}
        self._patience, self._came_not = Patience(), False  # with transforms of the newest times

    def start(self) -> None:
        """Subscribe to the additional LiDARs."""
        self._others.start()

    def stop(self) -> None:
        """Unsubscribe."""
        self._others.stop()

    def reports(self) -> Iterator[tuple[str, Report]]:
        """How each additional LiDAR keeps up, by the name of its diagnostics."""
        for name, health in self._health.items():
            yield f"lidar {name}", health.report()

    def cloud_of(self, message: PointCloud2) -> PointCloud:
        """All points that belong to a message, its own first. Raises BadPointCloud, or its subclass MissingLidar if a required LiDAR is missing."""
        wait_until_s, self._came_not = self._patience.until_s(self._parameters.lidar_max_wait_s), False
        try:
            main = self._at_its_stamp(self._reading.cloud_of(message), wait_until_s)
            messages = self._others.taken(main.stamp_ns, wait_until_s) if self._parameters.lidars else {}
            placed = [self._placed(name, messages.get(name), main, wait_until_s) for name in self._parameters.lidars]
        finally:
            self._patience.ended(in_vain=self._came_not)
        merged = merged_clouds(main, [each for each in placed if each is not None])
        if lacking := main.extra.keys() - merged.extra.keys():
            told = f"left out of merged clouds: {', '.join(sorted(lacking))}. Not every LiDAR has that field, of the same type."
            self._node.get_logger().warning(told, once=True)
        return merged

    def looked_at(self, cloud: PointCloud) -> ThinnedCloud:
        """At most max_points of a cloud."""
        return self._reading.looked_at(cloud)

    def _at_its_stamp(self, cloud: PointCloud, wait_until_s: float) -> PointCloud:
        if not self._parameters.compensate_motion:
            return cloud

        def moved(frame: str, now_ns: int, then_ns: int) -> RigidTransform:
            return self._transforms.T_now_then(frame, now_ns, then_ns, wait_until_s)

        found = self._compensation.compensated(cloud, moved)
        if found.problem is not None:
            self._came_not = self._came_not or isinstance(found.problem, TransformToCome)
            told = f"cloud of {cloud.frame_id} not compensated for motion: {without_numbers(found.problem)}"
            self._reporter.lasting_problem("uncompensated", told)
        return found.cloud

    def _placed(
        self, name: str, message: PointCloud2 | None, main: PointCloud, wait_until_s: float
    ) -> PlacedCloud | None:
        """A LiDAR's cloud and its pose; None, counted and reported, if either is missing."""
        lidar = self._parameters.lidars[name]
        try:
            if message is None:
                raise BadTransform(
                    f"expected a cloud on {lidar.topic} within {lidar.tolerance_s} s of the input's, found none from "
                    f"{told_publishers(self._node, lidar.topic, CLOUD_TYPE)}. Is it published, and stamped by the same clock?"
                )
            cloud = self._at_its_stamp(self._readings[name].cloud_of(message), wait_until_s)
            stamped = cloud.frame_id, cloud.stamp_ns
            T_main_other = self._transforms.T_main_other(main.frame_id, main.stamp_ns, *stamped, wait_until_s)
        except (BadPointCloud, BadTransform) as error:
            self._came_not = self._came_not or isinstance(error, TransformToCome)
            told = f"LiDAR {name}: {without_numbers(error)}"
            self._health[name].missed(told)
            if lidar.required:
                raise MissingLidar(told) from error
            self._reporter.lasting_problem("unmerged", f"cloud served without {told}")
            return None
        self._health[name].merged()
        return PlacedCloud(cloud, T_main_other)
