"""The segmentation node under load: drops and latency from stamp to labelled cloud. Run: python -m tests.bench.bench_node

Three processes as on a robot: a publisher in the driver's place, the node, and a listener that takes the time. Stamps
are CLOCK_MONOTONIC, which all processes of a machine share, so that no clock adjustment can pass for a latency. With
--cameras the driver sends pictures, too, which are paired and which nobody looks at.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

INPUT, LABELLED = "/lidar/points", "/segmentation_node/output/pointcloud/segmentation"
RATE_HZ, IMAGES_PER_CLOUD = 10.0, 3
_READY_TIMEOUT_S, _LAST_CLOUD_TIMEOUT_S = 120.0, 3.0
# Points a cloud, LiDAR of the synthetic streets, its azimuth steps, target of p95 in ms. A road never gives all returns.
_CASES = ((35_000, "hdl32", 1600, 100.0), (168_000, "pandar64", 4000, 250.0))


def measure(model: str = "demo", seconds: float = 20.0, cameras: int = 0) -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for points, lidar, azimuth_steps, target_ms in _CASES:
            clouds = Path(folder) / f"{points}.npy"
            np.save(clouds, street_clouds(points, lidar, azimuth_steps))
            latency_ms, sent = _run(Path(folder), clouds, model, round(seconds * RATE_HZ), cameras)
            rows += _rows(points, target_ms, latency_ms, sent, cameras)
    return rows


def street_clouds(points: int, lidar: str, azimuth_steps: int, frames: int = 10) -> np.ndarray:
    """(frames, points, 4) float32 x y z intensity: sweeps of a synthetic street, thinned out to the same size."""
    from offline_training.synthetic.sensors.drive import drive
    from offline_training.synthetic.sensors.lidar_spec import LIDARS

    rng = np.random.default_rng(0)
    sweeps = []
    for frame in drive(5, frames, replace(LIDARS[lidar], azimuth_steps=azimuth_steps), cameras=False):
        cloud = frame.cloud
        row = np.sort(rng.choice(len(cloud), points, replace=len(cloud) < points))
        sweeps.append(np.column_stack([cloud.xyz_m[row], cloud.intensity[row]]))
    return np.stack(sweeps).astype(np.float32)


def image_topics(cameras: int) -> dict[str, str]:
    """The topic of each camera by its name."""
    return {f"camera{number}": f"/camera{number}/image/compressed" for number in range(cameras)}


def _run(folder: Path, clouds: Path, model: str, count: int, cameras: int) -> tuple[np.ndarray, int]:
    from lidar_vl_ros.process.child_nodes import ChildNodes, private_graph_environment

    environment = private_graph_environment()
    with ChildNodes(folder, environment) as graph:
        topics = {f"cameras.{name}.topic": topic for name, topic in image_topics(cameras).items()}
        graph.start("segmentation_node", {"~/input/pointcloud": INPUT}, model=model, **topics)
        listener = _child("listen", clouds, count, cameras, environment)
        publisher = _child("publish", clouds, count, cameras, environment)
        _, sent = publisher.communicate(timeout=_READY_TIMEOUT_S + count / RATE_HZ + 30), count
        heard, _ = listener.communicate(timeout=60)
    if publisher.returncode or listener.returncode:
        log = (folder / "segmentation_node.log").read_text()
        raise RuntimeError(f"publisher ended with {publisher.returncode}, listener with {listener.returncode}: {log}")
    return np.array(json.loads(heard)), sent


def _child(
    role: str, clouds: Path, count: int, cameras: int, environment: Mapping[str, str]
) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "tests.bench.bench_node",
        "--role",
        role,
        "--clouds",
        str(clouds),
        "--count",
        str(count),
        "--cameras",
        str(cameras),
    ]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _rows(points: int, target_ms: float, latency_ms: np.ndarray, sent: int, cameras: int) -> list[dict[str, Any]]:
    name = f"node, {points // 1000}k points at {RATE_HZ:.0f} Hz" + (f", {cameras} cameras" if cameras else "")
    drops = sent - len(latency_ms)
    p50, p95, p99 = np.percentile(latency_ms, (50, 95, 99)) if len(latency_ms) else (np.inf,) * 3
    zero = points == 35_000
    return [
        {"name": f"{name}: drops of {sent}", "value": drops, "unit": "clouds", "target": "0" if zero else None, "passed": drops == 0 if zero else None},
        {"name": f"{name}: latency p50", "value": round(p50, 1), "unit": "ms", "target": None, "passed": None},
        {"name": f"{name}: latency p95", "value": round(p95, 1), "unit": "ms", "target": f"< {target_ms:.0f}", "passed": bool(p95 < target_ms)},
        {"name": f"{name}: latency p99", "value": round(p99, 1), "unit": "ms", "target": None, "passed": None},
    ]  # fmt: skip


def _publish(clouds: np.ndarray, count: int, cameras: int) -> None:
    """In the drivers' place: serialised clouds and pictures, restamped when they leave."""
    import rclpy
    from lidar_vl_ros.bags.rhythm import restamped
    from lidar_vl_ros.messages.qos import OUTPUT
    from lidar_vl_ros.messages.sensor_data import point_cloud2
    from lidar_vl_ros.process.run_node import keep_freed_memory
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CompressedImage, PointCloud2
    from std_msgs.msg import Header

    from lidar_vl_core.cameras.image import encode_jpeg

    keep_freed_memory()
    rclpy.init()
    node = rclpy.create_node("driver")
    publisher = node.create_publisher(PointCloud2, INPUT, OUTPUT)
    messages = [
        serialize_message(
            point_cloud2(Header(frame_id="lidar"), dict(zip(("x", "y", "z", "intensity"), cloud.T, strict=True)))
        )
        for cloud in clouds
    ]
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8).repeat(12, axis=0).repeat(12, axis=1)
    picture = serialize_message(
        CompressedImage(header=Header(frame_id="camera"), format="jpeg", data=encode_jpeg(noise))
    )
    lenses = [node.create_publisher(CompressedImage, topic, OUTPUT) for topic in image_topics(cameras).values()]
    given_up_s = time.monotonic() + _READY_TIMEOUT_S
    while publisher.get_subscription_count() == 0 or node.count_subscribers(LABELLED) == 0:
        if time.monotonic() > given_up_s:
            sys.exit("the node does not listen")
        time.sleep(0.05)
    time.sleep(1.0)  # both ends are known; let discovery between node and listener finish, too
    started_s = time.monotonic()
    for tick in range(IMAGES_PER_CLOUD * count):
        time.sleep(max(started_s + tick / (IMAGES_PER_CLOUD * RATE_HZ) - time.monotonic(), 0.0))
        if tick % IMAGES_PER_CLOUD == 0:
            index = tick // IMAGES_PER_CLOUD
            publisher.publish(restamped(messages[index % len(messages)], time.monotonic_ns()))
        for lens in lenses:
            lens.publish(restamped(picture, time.monotonic_ns()))
    time.sleep(_LAST_CLOUD_TIMEOUT_S)
    node.destroy_node()
    rclpy.shutdown()


def _listen(count: int) -> None:
    """Print the latencies of all labelled clouds as JSON; ends when all came, or some time after the last one."""
    import rclpy
    from lidar_vl_ros.messages.qos import OUTPUT
    from lidar_vl_ros.process.run_node import keep_freed_memory
    from sensor_msgs.msg import PointCloud2

    from lidar_vl_core.foundation.stamps import stamp_ns

    keep_freed_memory()
    rclpy.init()
    node = rclpy.create_node("listener")
    latency_ms: list[float] = []

    def received(message: PointCloud2) -> None:
        latency_ms.append((time.monotonic_ns() - stamp_ns(message.header.stamp)) / 1e6)

    node.create_subscription(PointCloud2, LABELLED, received, OUTPUT)
    last_s, heard = time.monotonic(), 0
    while len(latency_ms) < count:
        rclpy.spin_once(node, timeout_sec=0.1)
        if len(latency_ms) > heard:
            last_s, heard = time.monotonic(), len(latency_ms)
        if time.monotonic() - last_s > (_LAST_CLOUD_TIMEOUT_S if heard else _READY_TIMEOUT_S):
            break
    print(json.dumps(latency_ms))
    node.destroy_node()
    rclpy.shutdown()


def main() -> int:
    """Measure and print; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_node", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo", help="model package, by name or folder")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--cameras", type=int, default=0, help="so many, 960 x 720 JPEG at 30 Hz")
    parser.add_argument("--role", choices=("publish", "listen"), help=argparse.SUPPRESS)
    parser.add_argument("--clouds", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "publish":
        _publish(np.load(arguments.clouds), arguments.count, arguments.cameras)
        return 0
    if arguments.role == "listen":
        _listen(arguments.count)
        return 0
    from tests.bench.__main__ import print_table

    rows = measure(arguments.model, arguments.seconds, arguments.cameras)
    print_table(rows)
    return 0 if all(row["passed"] is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
