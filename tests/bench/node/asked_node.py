"""A segmentation node in a process of its own that is asked cloud by cloud, each after the answer to the one before. Starts processes."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tests.bench.node.cloud_traffic import INPUT, READY_TIMEOUT_S
from tests.bench.node.latency import LABELLED

_NODE = "segmentation_node"


class AskedNode:
    """The node and its one customer; the node ends when the block is left."""

    def __init__(self, variables: Mapping[str, str] | None = None, **parameters: object) -> None:
        """variables: of the node's environment, besides those of a private graph."""
        from lidar_vl_ros.process.child_nodes import ChildNodes, private_graph_environment

        self._folder = tempfile.TemporaryDirectory()
        environment = private_graph_environment()
        os.environ.update(environment)  # this process takes part, too
        self._graph = ChildNodes(
            Path(self._folder.name), environment | {"ROS_HOME": self._folder.name} | dict(variables or {})
        )
        self._parameters = parameters

    def __enter__(self) -> "AskedNode":
        import rclpy
        from lidar_vl_ros.messages.qos import OUTPUT
        from sensor_msgs.msg import PointCloud2

        rclpy.init()
        self._customer = rclpy.create_node("customer")
        self._publisher = self._customer.create_publisher(PointCloud2, INPUT, OUTPUT)
        self._answers: list[PointCloud2] = []
        self._customer.create_subscription(PointCloud2, LABELLED, self._answers.append, OUTPUT)
        self._graph.__enter__()
        self._graph.start(_NODE, {"~/input/pointcloud": INPUT}, model="demo", **self._parameters)
        self.process = self._graph._children[_NODE]
        return self

    def __exit__(self, *_error: object) -> None:
        import rclpy

        self._graph.__exit__(None, None, None)
        self._customer.destroy_node()
        rclpy.try_shutdown()
        self._folder.cleanup()

    def wait_until_it_listens(self) -> None:
        """It takes clouds, and its answers are heard here."""
        self._spin_until(
            lambda: self._publisher.get_subscription_count() and self._customer.count_publishers(LABELLED), "the node"
        )

    def ask(self, xyz_m: np.ndarray) -> float:
        """Send a cloud and wait for its answer; seconds between the two. xyz_m: (N, 3) float32."""
        from lidar_vl_ros.messages.sensor_data import point_cloud2
        from std_msgs.msg import Header

        header, before = Header(stamp=self._customer.get_clock().now().to_msg(), frame_id="lidar"), len(self._answers)
        fields = {**dict(zip("xyz", xyz_m.T, strict=True)), "intensity": np.full(len(xyz_m), 0.5, np.float32)}
        message = point_cloud2(header, fields)
        began_s = time.perf_counter()
        self._publisher.publish(message)
        self._spin_until(lambda: len(self._answers) > before, f"an answer to a cloud of {len(xyz_m)} points")
        took_s = time.perf_counter() - began_s
        self._answers.clear()
        return took_s

    def resident_mb(self) -> tuple[float, float]:
        """Now and at most, as the system counts it."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        kilobytes = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
        return int(kilobytes["VmRSS"]) / 1e3, int(kilobytes["VmHWM"]) / 1e3

    def _spin_until(self, condition: Callable[[], object], what: str) -> None:
        import rclpy

        end_s = time.monotonic() + READY_TIMEOUT_S
        while not condition():
            if time.monotonic() > end_s:
                raise RuntimeError(f"waited {READY_TIMEOUT_S:.0f} s in vain for {what}")
            rclpy.spin_once(self._customer, timeout_sec=0.05)


def scattered_cloud(points: int) -> np.ndarray:
    """(N, 3) float32 points spread over 60 m around the sensor: as many voxels as points allow, more than a street has."""
    rng = np.random.default_rng(0)
    range_m, azimuth = rng.uniform(2, 60, points), rng.uniform(0, 2 * np.pi, points)
    xyz_m = np.stack([range_m * np.cos(azimuth), range_m * np.sin(azimuth), rng.uniform(-2, 3, points)], axis=1)
    return xyz_m.astype(np.float32)
