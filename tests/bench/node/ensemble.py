"""The ensemble under load: clouds at 10 Hz beside six cameras. Run: python -m tests.bench.node.ensemble

A process in the place of LiDAR, cameras and odometry, the node, and a listener that takes the time, as tests.bench.node.latency.
Pictures are encoded beside the clouds and, to compare, waited for by each cloud (image_features_max_age_s = 0).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.node.cloud_traffic import INPUT, LAST_CLOUD_TIMEOUT_S, RATE_HZ, READY_TIMEOUT_S, listen, street_clouds
from tests.bench.node.latency import LABELLED
from tests.bench.node.words import IMAGE_SIZE, POINTS, write_package
from tests.bench.report.table import print_table, row

CAMERAS, ODOMETRY, ODOMETRY_PER_CLOUD, SPEED_MPS = 6, "/odom", 5, 10.0
MAX_AGE_S = 1.0
STAGES = ("network", "fusion", "total")


def measure(seconds: float = 20.0) -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}."""
    with tempfile.TemporaryDirectory() as folder:
        package, clouds = Path(folder) / "package", Path(folder) / "clouds.npy"
        write_package(package)
        np.save(clouds, street_clouds(POINTS, "hdl32", 1600))
        return [row for age_s in (MAX_AGE_S, 0.0) for row in run(Path(folder), package, clouds, seconds, age_s)]


def run(folder: Path, package: Path, clouds: Path, seconds: float, max_age_s: float) -> list[dict[str, Any]]:
    """Rows for one value of image_features_max_age_s."""
    from lidar_vl_ros.process.child_nodes import ChildNodes, private_graph_environment

    environment, count = private_graph_environment(), round(seconds * RATE_HZ)
    cameras: dict[str, Any] = {f"cameras.camera{number}.topic": _topic(number) for number in range(CAMERAS)}
    ensemble = {
        "ensemble": True,
        "image_features_max_age_s": max_age_s,
        "odometry_topic": ODOMETRY if max_age_s else "",
    }
    placed = {"static_transforms": [_static_transform(number) for number in range(CAMERAS)]}
    with ChildNodes(folder, environment) as graph:
        graph.start(
            "segmentation_node", {"~/input/pointcloud": INPUT}, model=str(package), **cameras, **ensemble, **placed
        )
        listener = listen(count, (LABELLED,), environment)
        driver = _driver(clouds, count, bool(max_age_s), environment)
        told, _ = driver.communicate(timeout=READY_TIMEOUT_S + count / RATE_HZ + 30)
        heard, _ = listener.communicate(timeout=60)
    if driver.returncode or listener.returncode:
        log = (folder / "segmentation_node.log").read_text()
        raise RuntimeError(f"driver ended with {driver.returncode}, listener with {listener.returncode}: {log}")
    latency_ms = np.array([milliseconds for _, milliseconds in json.loads(heard)])
    return _rows(latency_ms, json.loads(told), count, max_age_s)


def _rows(latency_ms: np.ndarray, told: dict[str, str], sent: int, max_age_s: float) -> list[dict[str, Any]]:
    height, width = IMAGE_SIZE
    how = f"features up to {max_age_s} s old" if max_age_s else "each waits for its own"
    name = f"ensemble node, {POINTS // 1000}k points and {CAMERAS} pictures of {width} x {height} at {RATE_HZ:.0f} Hz, {how}"
    drops = sent - len(latency_ms)
    rows = [row(f"{name}: drops of {sent}", drops, "clouds", at_most=0 if max_age_s else None)]
    for percent in (50, 95, 99):
        value = float(np.percentile(latency_ms, percent)) if len(latency_ms) else np.inf
        rows.append(row(f"{name}: latency p{percent}", round(value, 1), "ms"))
    rows += [row(f"{name}: {stage}, median", round(float(told[stage]), 1), "ms") for stage in STAGES]
    for key, unit in (
        ("age_ms_p50", "ms"),
        ("age_ms_p95", "ms"),
        ("share_p50", "of points"),
        ("alone", "clouds"),
        ("replaced", "clouds"),
        ("lost", "clouds"),
    ):
        rows.append(row(f"{name}: {key}", float(told.get(key, np.nan)), unit))
    return rows


def _topic(number: int) -> str:
    return f"/camera{number}/image/compressed"


def _static_transform(number: int) -> str:
    """Six cameras around the LiDAR, at its place."""
    from lidar_vl_core.geometry.rigid_transform import RigidTransform

    yaw_rad = np.radians(60.0 * number)
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    to_optical = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    T_cam_lidar = RigidTransform(to_optical @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]]), np.zeros(3))
    return f"lidar camera{number} 0 0 0 " + " ".join(map(str, T_cam_lidar.inverse().quaternion()))


def _driver(clouds: Path, count: int, odometry: bool, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.bench.node.ensemble", "--drive", str(clouds), "--count", str(count)]
    command += ["--odometry"] if odometry else []
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _drive(clouds: np.ndarray, count: int, odometry: bool) -> None:
    """Send everything, restamped when it leaves, and print what the diagnostics said of the ensemble at last."""
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from lidar_vl_ros.bags.rhythm import restamped
    from lidar_vl_ros.messages.qos import OUTPUT
    from lidar_vl_ros.messages.sensor_data import point_cloud2
    from lidar_vl_ros.process.run_node import keep_freed_memory
    from nav_msgs.msg import Odometry
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CameraInfo, CompressedImage, PointCloud2
    from std_msgs.msg import Float64, Header

    from lidar_vl_core.cameras.image import encode_jpeg

    keep_freed_memory()
    rclpy.init()
    node = rclpy.create_node("driver")
    lidar = node.create_publisher(PointCloud2, INPUT, OUTPUT)
    lenses = [node.create_publisher(CompressedImage, _topic(number), OUTPUT) for number in range(CAMERAS)]
    infos = [node.create_publisher(CameraInfo, f"/camera{number}/camera_info", OUTPUT) for number in range(CAMERAS)]
    motion = node.create_publisher(Odometry, ODOMETRY, OUTPUT)
    said: dict[str, str] = {}  # of the ensemble, and counts of clouds

    def heard(message: DiagnosticArray) -> None:
        for status in message.status:
            values = {each.key: each.value for each in status.values}
            if status.name.endswith(": ensemble"):
                said.update(values)
            elif status.name.endswith(": processing"):
                said.update(alone=values["without_images"], replaced=values["replaced"])
            elif status.name.endswith(": transport"):
                said["lost"] = values["lost"]

    node.create_subscription(DiagnosticArray, "/diagnostics", heard, 10)
    took_ms: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for stage, heard_ms in took_ms.items():
        topic = f"/segmentation_node/debug/{stage}_ms"
        node.create_subscription(Float64, topic, lambda told, heard_ms=heard_ms: heard_ms.append(told.data), 10)
    height, width = IMAGE_SIZE
    fields = ("x", "y", "z", "intensity")
    messages = [
        serialize_message(point_cloud2(Header(frame_id="lidar"), dict(zip(fields, cloud.T, strict=True))))
        for cloud in clouds
    ]
    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    jpeg = encode_jpeg(noise.repeat(8, axis=0).repeat(8, axis=1))
    focal = width / 2 / np.tan(np.radians(35))
    K = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    pictures, calibrations = [], []
    for number in range(CAMERAS):
        header = Header(frame_id=f"camera{number}")
        pictures.append(serialize_message(CompressedImage(header=header, format="jpeg", data=jpeg)))
        lens = {"width": width, "height": height, "distortion_model": "plumb_bob", "d": [0.0] * 5}
        calibrations.append(serialize_message(CameraInfo(header=header, k=K, **lens)))
    given_up_s = time.monotonic() + READY_TIMEOUT_S
    ends = [lidar, *infos, *lenses]
    while not all(end.get_subscription_count() for end in ends) or not node.count_subscribers(LABELLED):
        if time.monotonic() > given_up_s:
            sys.exit("the node does not listen")
        time.sleep(0.05)
    time.sleep(1.0)  # let discovery between node and listener finish, too
    started_s = time.monotonic()
    for tick in range(ODOMETRY_PER_CLOUD * count + ODOMETRY_PER_CLOUD):
        time.sleep(max(started_s + tick / (ODOMETRY_PER_CLOUD * RATE_HZ) - time.monotonic(), 0.0))
        now_ns = time.monotonic_ns()
        if odometry:
            pose = Odometry(header=Header(frame_id="odom"), child_frame_id="lidar")
            pose.pose.pose.position.x = SPEED_MPS * now_ns / 1e9
            motion.publish(restamped(serialize_message(pose), now_ns))
        cloud, part = divmod(tick, ODOMETRY_PER_CLOUD)
        if part == 0 and cloud < count:
            for info, lens_publisher, calibration, picture in zip(infos, lenses, calibrations, pictures, strict=True):
                info.publish(restamped(calibration, now_ns))
                lens_publisher.publish(restamped(picture, now_ns))
            lidar.publish(restamped(messages[cloud % len(messages)], now_ns))
        rclpy.spin_once(node, timeout_sec=0.0)
    end_s = time.monotonic() + LAST_CLOUD_TIMEOUT_S
    while time.monotonic() < end_s:
        rclpy.spin_once(node, timeout_sec=0.1)
    print(json.dumps(said | {stage: str(np.median(heard_ms or [np.nan])) for stage, heard_ms in took_ms.items()}))
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.node.ensemble", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--drive", type=Path, help="a file of clouds: be the driver; started by run()")
    parser.add_argument("--count", type=int, help="clouds, for --drive")
    parser.add_argument("--odometry", action="store_true", help="tell the motion, for --drive")
    arguments = parser.parse_args()
    if arguments.drive is not None:
        _drive(np.load(arguments.drive), arguments.count, arguments.odometry)
    else:
        print_table(measure(arguments.seconds))
