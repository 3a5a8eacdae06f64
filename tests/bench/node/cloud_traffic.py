"""A driver's and a listener's process for benchmarks of nodes. Started by drive() and listen().

Stamps are CLOCK_MONOTONIC, which all processes of a machine share, so that no clock adjustment can pass for a latency.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lidar_vl_core.commands.program.command_line import CommandLine

INPUT = "/lidar/points"
RATE_HZ, IMAGES_PER_CLOUD = 10.0, 3
READY_TIMEOUT_S, LAST_CLOUD_TIMEOUT_S = 120.0, 3.0
DISCOVERY_S = 4.0  # participants announce themselves every 3 s: a lost announcement is made good


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


def drive(
    clouds: Path,
    count: int,
    heard_on: Sequence[str],
    environment: Mapping[str, str],
    cameras: int = 0,
    rate_hz: float = RATE_HZ,
) -> "subprocess.Popen[str]":
    """A process that sends so many clouds, and pictures of so many cameras, once INPUT and these topics have subscribers."""
    options = ["--clouds", str(clouds), "--cameras", str(cameras), "--rate", str(rate_hz)]
    return _child("drive", count, heard_on, environment, options)


def listen(count: int, topics: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """A process that prints, as a JSON list, of each cloud: stamp in seconds, milliseconds until the last of these topics told of it."""
    return _child("listen", count, topics, environment)


def _child(
    role: str, count: int, topics: Sequence[str], environment: Mapping[str, str], options: Sequence[str] = ()
) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.bench.node.cloud_traffic", role, "--count", str(count), *options, *topics]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _drive(clouds: np.ndarray, count: int, cameras: int, rate_hz: float, heard_on: Sequence[str]) -> None:
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
    given_up_s = time.monotonic() + READY_TIMEOUT_S
    while publisher.get_subscription_count() == 0 or not all(node.count_subscribers(topic) for topic in heard_on):
        if time.monotonic() > given_up_s:
            sys.exit("the node does not listen")
        time.sleep(0.05)
    time.sleep(DISCOVERY_S)  # both ends are known; that node and listener know each other cannot be seen from here
    started_s = time.monotonic()
    for tick in range(IMAGES_PER_CLOUD * count):
        time.sleep(max(started_s + tick / (IMAGES_PER_CLOUD * rate_hz) - time.monotonic(), 0.0))
        if tick % IMAGES_PER_CLOUD == 0:
            index = tick // IMAGES_PER_CLOUD
            publisher.publish(restamped(messages[index % len(messages)], time.monotonic_ns()))
        for lens in lenses:
            lens.publish(restamped(picture, time.monotonic_ns()))
    time.sleep(LAST_CLOUD_TIMEOUT_S)
    node.destroy_node()
    rclpy.shutdown()


def _listen(count: int, topics: Sequence[str]) -> None:
    """Ends when all clouds were told of on all topics, or some time after the last one."""
    import rclpy
    from lidar_vl_ros.messages.qos import OUTPUT
    from lidar_vl_ros.process.run_node import keep_freed_memory
    from sensor_msgs.msg import PointCloud2

    from lidar_vl_core.foundation.stamps import stamp_ns

    keep_freed_memory()
    rclpy.init()
    node = rclpy.create_node("listener")
    topics_left: dict[int, int] = {}  # of each cloud, by its stamp
    answered: list[tuple[float, float]] = []

    def received(message: PointCloud2) -> None:
        now_ns, stamp = time.monotonic_ns(), stamp_ns(message.header.stamp)
        topics_left[stamp] = topics_left.get(stamp, len(topics)) - 1
        if topics_left[stamp] == 0:
            answered.append((stamp / 1e9, (now_ns - stamp) / 1e6))

    for topic in topics:
        node.create_subscription(PointCloud2, topic, received, OUTPUT)
    last_s, heard = time.monotonic(), 0
    while len(answered) < count:
        rclpy.spin_once(node, timeout_sec=0.1)
        if len(answered) > heard:
            last_s, heard = time.monotonic(), len(answered)
        if time.monotonic() - last_s > (LAST_CLOUD_TIMEOUT_S if heard else READY_TIMEOUT_S):
            break
    print(json.dumps(answered))
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    parser = CommandLine(prog="python -m tests.bench.node.cloud_traffic", description=__doc__.splitlines()[0])
    parser.add_argument("role", choices=("drive", "listen"))
    parser.add_argument("topics", nargs="+", help="of what the node tells, all PointCloud2")
    parser.add_argument("--count", type=int, required=True, help="clouds")
    parser.add_argument("--clouds", type=Path, help="file of (frames, points, 4) float32, for drive")
    parser.add_argument("--cameras", type=int, default=0, help="960 x 720 JPEG, three a cloud, for drive")
    parser.add_argument("--rate", type=float, default=RATE_HZ, help="clouds a second, for drive")
    arguments = parser.parse_args()
    if arguments.role == "drive":
        _drive(np.load(arguments.clouds), arguments.count, arguments.cameras, arguments.rate, arguments.topics)
    else:
        _listen(arguments.count, arguments.topics)
