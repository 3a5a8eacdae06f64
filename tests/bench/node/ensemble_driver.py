"""A process in the place of LiDAR, cameras and odometry, beside which an ensemble works. Started by drive()."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lidar_vl_core.commands.program.command_line import CommandLine
from tests.bench.node.cloud_traffic import DISCOVERY_S, INPUT, LAST_CLOUD_TIMEOUT_S, RATE_HZ, READY_TIMEOUT_S
from tests.bench.node.latency import LABELLED

if TYPE_CHECKING:
    from diagnostic_msgs.msg import DiagnosticArray

CAMERAS, ODOMETRY, ODOMETRY_PER_CLOUD, SPEED_MPS = 6, "/odom", 5, 10.0
STAGES = ("network", "fusion", "total")


def drive(
    clouds: Path, count: int, image_size: tuple[int, int], odometry: bool, environment: Mapping[str, str]
) -> "subprocess.Popen[str]":
    """A process that sends so many clouds, with pictures (height, width), and prints what the node's diagnostics said at last."""
    command = [sys.executable, "-m", "tests.bench.node.ensemble_driver", str(clouds), str(count)]
    command += [*map(str, image_size), *(["--odometry"] if odometry else [])]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def picture_topic(number: int) -> str:
    """The topic of a camera's pictures."""
    return f"/camera{number}/image/compressed"


class _Said:
    """What the diagnostics said of the ensemble and of clouds, and how long each stage took."""

    def __init__(self, node: Any) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from std_msgs.msg import Float64

        self._values: dict[str, str] = {}
        self._took_ms: dict[str, list[float]] = {stage: [] for stage in STAGES}
        node.create_subscription(DiagnosticArray, "/diagnostics", self._heard, 10)
        for stage, heard_ms in self._took_ms.items():
            topic = f"/segmentation_node/debug/{stage}_ms"
            node.create_subscription(Float64, topic, lambda told, heard_ms=heard_ms: heard_ms.append(told.data), 10)

    def to_dict(self) -> dict[str, str]:
        return self._values | {stage: str(np.median(ms or [np.nan])) for stage, ms in self._took_ms.items()}

    def _heard(self, message: "DiagnosticArray") -> None:
        for status in message.status:
            values = {each.key: each.value for each in status.values}
            if status.name.endswith(": ensemble"):
                self._values.update(values)
            elif status.name.endswith(": processing"):
                self._values.update(alone=values["without_images"], replaced=values["replaced"])
            elif status.name.endswith(": transport"):
                self._values["lost"] = values["lost"]


class _Sensors:
    """Serialised clouds, pictures and calibrations, restamped when they leave."""

    def __init__(self, node: Any, clouds: np.ndarray, image_size: tuple[int, int]) -> None:
        from lidar_vl_ros.messages.qos import OUTPUT
        from lidar_vl_ros.messages.sensor_data import point_cloud2
        from nav_msgs.msg import Odometry
        from rclpy.serialization import serialize_message
        from sensor_msgs.msg import CameraInfo, CompressedImage, PointCloud2
        from std_msgs.msg import Header

        self._lidar = node.create_publisher(PointCloud2, INPUT, OUTPUT)
        self._lenses = [node.create_publisher(CompressedImage, picture_topic(each), OUTPUT) for each in range(CAMERAS)]
        self._infos = [
            node.create_publisher(CameraInfo, f"/camera{each}/camera_info", OUTPUT) for each in range(CAMERAS)
        ]
        self._motion = node.create_publisher(Odometry, ODOMETRY, OUTPUT)
        fields = ("x", "y", "z", "intensity")
        self._clouds = [
            serialize_message(point_cloud2(Header(frame_id="lidar"), dict(zip(fields, cloud.T, strict=True))))
            for cloud in clouds
        ]
        jpeg, lens = _jpeg(*image_size), _lens(*image_size)
        headers = [Header(frame_id=f"camera{each}") for each in range(CAMERAS)]
        self._pictures = [
            serialize_message(CompressedImage(header=header, format="jpeg", data=jpeg)) for header in headers
        ]
        self._calibrations = [serialize_message(CameraInfo(header=header, **lens)) for header in headers]

    def are_heard(self) -> bool:
        return all(end.get_subscription_count() for end in (self._lidar, *self._infos, *self._lenses))

    def send_motion(self, now_ns: int) -> None:
        from lidar_vl_ros.bags.rhythm import restamped
        from nav_msgs.msg import Odometry
        from rclpy.serialization import serialize_message
        from std_msgs.msg import Header

        pose = Odometry(header=Header(frame_id="odom"), child_frame_id="lidar")
        pose.pose.pose.position.x = SPEED_MPS * now_ns / 1e9
        self._motion.publish(restamped(serialize_message(pose), now_ns))

    def send_cloud(self, number: int, now_ns: int) -> None:
        """With the pictures of all cameras before it."""
        from lidar_vl_ros.bags.rhythm import restamped

        for info, lens, calibration, picture in zip(
            self._infos, self._lenses, self._calibrations, self._pictures, strict=True
        ):
            info.publish(restamped(calibration, now_ns))
            lens.publish(restamped(picture, now_ns))
        self._lidar.publish(restamped(self._clouds[number % len(self._clouds)], now_ns))


def _jpeg(height: int, width: int) -> bytes:
    from lidar_vl_core.cameras.image import encode_jpeg

    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return encode_jpeg(noise.repeat(8, axis=0).repeat(8, axis=1))


def _lens(height: int, width: int) -> dict[str, Any]:
    """Fields of CameraInfo: 70 degrees, no distortion."""
    focal = width / 2 / np.tan(np.radians(35))
    K = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    return {"width": width, "height": height, "distortion_model": "plumb_bob", "d": [0.0] * 5, "k": K}


def _drive(clouds: np.ndarray, count: int, image_size: tuple[int, int], odometry: bool) -> None:
    """Send everything, and print what the diagnostics said of the ensemble at last."""
    import rclpy
    from lidar_vl_ros.process.run_node import keep_freed_memory

    keep_freed_memory()
    rclpy.init()
    node = rclpy.create_node("driver")
    said, sensors = _Said(node), _Sensors(node, clouds, image_size)
    given_up_s = time.monotonic() + READY_TIMEOUT_S
    while not sensors.are_heard() or not node.count_subscribers(LABELLED):
        if time.monotonic() > given_up_s:
            sys.exit("the node does not listen")
        time.sleep(0.05)
    time.sleep(DISCOVERY_S)  # of node and listener
    started_s = time.monotonic()
    for tick in range(ODOMETRY_PER_CLOUD * count + ODOMETRY_PER_CLOUD):
        time.sleep(max(started_s + tick / (ODOMETRY_PER_CLOUD * RATE_HZ) - time.monotonic(), 0.0))
        now_ns = time.monotonic_ns()
        if odometry:
            sensors.send_motion(now_ns)
        cloud, part = divmod(tick, ODOMETRY_PER_CLOUD)
        if part == 0 and cloud < count:
            sensors.send_cloud(cloud, now_ns)
        rclpy.spin_once(node, timeout_sec=0.0)
    end_s = time.monotonic() + LAST_CLOUD_TIMEOUT_S
    while time.monotonic() < end_s:
        rclpy.spin_once(node, timeout_sec=0.1)
    print(json.dumps(said.to_dict()))
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    parser = CommandLine(prog="python -m tests.bench.node.ensemble_driver", description=__doc__.splitlines()[0])
    parser.add_argument("clouds", type=Path, help="file of (frames, points, 4) float32")
    parser.add_argument("count", type=int, help="clouds")
    parser.add_argument("image_size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--odometry", action="store_true", help="tell the motion")
    arguments = parser.parse_args()
    _drive(np.load(arguments.clouds), arguments.count, tuple(arguments.image_size), arguments.odometry)
