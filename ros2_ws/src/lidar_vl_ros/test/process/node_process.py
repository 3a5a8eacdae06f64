"""A node in a process of its own, and a small recording to play to it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from lidar_vl_ros.process.child_nodes import MODULES

from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.clouds.point_cloud2 import encode
from lidar_vl_core.foundation.message_types import message_types

TIMEOUT_S = 60.0
INPUT = "/lidar/points"


class Process:
    """A node in a process of its own, with its output."""

    def __init__(self, node: str, parameters: dict[str, object], remaps: dict[str, str], environment: dict[str, str]):
        arguments = [word for name, value in parameters.items() for word in ("-p", f"{name}:={_yaml(value)}")]
        arguments += [word for before, after in remaps.items() for word in ("-r", f"{before}:={after}")]
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULES[node], "--ros-args", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.set_blocking(self._process.stdout.fileno(), False)

    def heard(self, text: str) -> bool:
        while line := self._process.stdout.readline():
            self.lines.append(line)
        return any(text in line for line in self.lines)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def crash(self) -> None:
        self._process.kill()
        self._process.wait(TIMEOUT_S)

    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        code = self._process.wait(timeout_s)
        self.heard("")
        return code

    def kill(self) -> None:
        if not self.ended():
            self._process.send_signal(signal.SIGINT)  # killed at once it would leave its shared memory behind
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._process.stdout.close()


def write_small_bag(path: Path) -> Path:
    """Ten clouds in one second, each with another number of points."""
    types = message_types().types
    rng = np.random.default_rng(5)
    with BagWriter(path) as bag:
        for index in range(10):
            stamp_ns = 1_700_000_000_000_000_000 + index * 100_000_000
            x, y, z = rng.uniform(-20, 20, (2000 + index, 3)).astype(np.float32).T
            layout = encode({"x": x, "y": y, "z": z, "intensity": np.full(len(x), 0.5, np.float32)})
            stamp = types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
            cloud = types["sensor_msgs/msg/PointCloud2"](
                header=types["std_msgs/msg/Header"](stamp, "lidar"),
                height=layout.height,
                width=layout.width,
                fields=[
                    types["sensor_msgs/msg/PointField"](f.name, f.offset, f.datatype, f.count) for f in layout.fields
                ],
                is_bigendian=layout.is_bigendian,
                point_step=layout.point_step,
                row_step=layout.row_step,
                data=layout.data,
                is_dense=layout.is_dense,
            )
            bag.write("/odom", "nav_msgs/msg/Odometry", stamp_ns, _odometry(types, cloud.header, 0.5 * index))
            bag.write(INPUT, "sensor_msgs/msg/PointCloud2", stamp_ns, cloud)
    return path


def _odometry(types: dict, header: object, x_m: float) -> object:
    """The LiDAR where it has driven along x."""
    geometry = {
        name: types[f"geometry_msgs/msg/{name}"] for name in ("Point", "Quaternion", "Pose", "Vector3", "Twist")
    }
    pose = geometry["Pose"](geometry["Point"](x_m, 0.0, 0.0), geometry["Quaternion"](0.0, 0.0, 0.0, 1.0))
    still = geometry["Twist"](geometry["Vector3"](0.0, 0.0, 0.0), geometry["Vector3"](0.0, 0.0, 0.0))
    unknown = np.zeros(36)
    return types["nav_msgs/msg/Odometry"](
        header=types["std_msgs/msg/Header"](header.stamp, "odom"),
        child_frame_id="lidar",
        pose=types["geometry_msgs/msg/PoseWithCovariance"](pose, unknown),
        twist=types["geometry_msgs/msg/TwistWithCovariance"](still, unknown),
    )


def _yaml(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_yaml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
