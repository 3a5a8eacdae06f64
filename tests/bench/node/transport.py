"""Where a cloud's bytes are copied between LiDAR driver and labelled cloud: how often, and what that takes.

Run: python -m tests.bench.node.transport [--points 168000]. The steps of the node, in this process; how they were before their
avoidable copies went, in turn with them; and the way between two processes, as messages and as raw bytes, with Fast DDS as it
comes and with the package's profile. Loaned messages are not in the table: Fast DDS lends none of unbounded types.
"""

import array
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lidar_vl_core.commands.program.command_line import CommandLine
from tests.bench.node.cloud_traffic import street_clouds
from tests.bench.report.table import print_table
from tests.bench.report.timing import interleaved_ms, measured_row

POINTS, REPEATS, SENT, RATE_HZ = 168_000, 41, 60, 10.0
_LONGEST_S = 60.0
NAMES = ("x", "y", "z", "intensity")
MESSAGES, RAW = "/transport/messages", "/transport/raw"


def measure(points: int = POINTS) -> list[dict[str, Any]]:
    """Rows of {name, value, unit, ...}."""
    cloud = street_clouds(points, "pandar64", 4000, frames=1)[0]
    return [*_step_rows(cloud), *_wire_rows(cloud)]


def _step_rows(columns: np.ndarray) -> list[dict[str, Any]]:
    from lidar_vl_ros.process.run_node import keep_freed_memory

    keep_freed_memory()
    steps, before = _steps(columns)
    times_ms = interleaved_ms(
        {name: call for name, (_, call) in steps.items()} | {f"{name}, before": call for name, call in before.items()},
        REPEATS,
    )
    where = f"{len(columns) // 1000}k points"
    told = {name: f"{where}, {name}: {copies}" for name, (copies, _) in steps.items()}
    return [measured_row(told.get(name, f"{where}, {name}"), values) for name, values in times_ms.items()]


def _steps(columns: np.ndarray) -> tuple[dict[str, tuple[str, Callable[[], Any]]], dict[str, Callable[[], Any]]]:
    """The copies and the call of each step; and how some were done before."""
    from lidar_vl_ros.messages.sensor_data import point_cloud2, position_columns
    from rclpy.serialization import deserialize_message, serialize_message
    from sensor_msgs.msg import PointCloud2
    from std_msgs.msg import Header

    from lidar_vl_core.clouds.cloud_decoder import CloudDecoder
    from lidar_vl_core.clouds.point_cloud2 import encode
    from lidar_vl_core.model_packages.package import load_model_package
    from lidar_vl_core.tasks.segmenter import Segmenter
    from lidar_vl_core.voxels.grid import voxelise

    header = Header(frame_id="lidar")
    sent = serialize_message(point_cloud2(header, dict(zip(NAMES, columns.T, strict=True))))
    message, decoder = deserialize_message(sent, PointCloud2), CloudDecoder()
    cloud = decoder.decode(message)
    segmenter = Segmenter(load_model_package("demo"))
    labels = segmenter.segment(cloud)
    found = {"class_id": labels.class_id, "probability": labels.probability}
    fields = position_columns(cloud) | {"intensity": cloud.intensity} | found
    answer, layout = point_cloud2(header, fields), encode(fields)
    grid = segmenter.package.grid
    steps: dict[str, tuple[str, Callable[[], Any]]] = {
        "deserialise": ("2 copies, CDR to C, C to Python", lambda: deserialize_message(sent, PointCloud2)),
        "decode": ("1 copy, positions and intensity", lambda: decoder.decode(message)),
        "mask beams without a return": ("1 copy where there are any", cloud.measured_xyz_m),
        "voxels": ("none of the cloud", lambda: voxelise(cloud.xyz_m, grid)),
        "encode": ("1 copy, columns to points", lambda: encode(fields)),
        "message": ("1 copy besides encode", lambda: point_cloud2(header, fields)),
        "serialise": ("2 copies, Python to C, C to CDR", lambda: serialize_message(answer)),
    }
    before: dict[str, Callable[[], Any]] = {
        "encode": lambda: encoded_column_by_column(fields, layout.point_step),
        "message": lambda: _message_before(fields, layout.point_step),
    }
    return steps, before


def encoded_column_by_column(fields: Mapping[str, np.ndarray], point_step: int) -> np.ndarray:
    """The bytes of packed fields, each column by itself."""
    count, offset = len(next(iter(fields.values()))), 0
    data = np.empty(count * point_step, np.uint8)
    for values in fields.values():
        np.ndarray((count,), values.dtype, data.data, offset, (point_step,))[:] = values
        offset += values.dtype.itemsize
    for name in "xyz":
        np.isfinite(fields[name]).all()
    return data


def _message_before(fields: Mapping[str, np.ndarray], point_step: int) -> Any:
    """Into an array of its own, which the message's setter copies once more."""
    from sensor_msgs.msg import PointCloud2

    payload, message = array.array("B"), PointCloud2()
    payload.frombytes(encoded_column_by_column(fields, point_step))  # type: ignore[arg-type]  # any buffer serves
    message.data = payload
    return message


def _wire_rows(columns: np.ndarray) -> list[dict[str, Any]]:
    """Another process sends to this one, by turns on a topic that is read as messages and on one that is read raw."""
    from lidar_vl_ros.process.child_nodes import private_graph_environment

    environment = private_graph_environment()
    without = {name: value for name, value in environment.items() if "PROFILES_FILE" not in name}
    rows = []
    for profile, of_both in (("the package's profile", environment), ("Fast DDS as it comes", without)):
        heard = _heard(len(columns), of_both)
        for how, taken in heard.items():
            latency_ms, cpu_ms = ([ms[part] for ms in taken] for part in (0, 1))
            where = f"{len(columns) // 1000}k points, to another process by {profile}, read as {how}"
            lost = SENT - len(latency_ms)
            rows.append(
                {"name": f"{where}: lost of {SENT}", "value": lost, "unit": "clouds", "target": "", "passed": None}
            )
            if latency_ms:
                rows.append(measured_row(f"{where}: stamp to callback", latency_ms))
                rows.append(measured_row(f"{where}: CPU time of taking it", cpu_ms))
    return rows


def _heard(points: int, environment: Mapping[str, str]) -> dict[str, list[tuple[float, float]]]:
    command = [sys.executable, "-m", "tests.bench.node.transport", "--points", str(points)]
    listener = subprocess.Popen([*command, "--role", "listen"], env=environment, stdout=subprocess.PIPE, text=True)
    driver = subprocess.Popen([*command, "--role", "drive"], env=environment)
    driver.wait(timeout=_LONGEST_S)
    told, _ = listener.communicate(timeout=_LONGEST_S)
    if driver.returncode or listener.returncode:
        raise RuntimeError(f"driver ended with {driver.returncode}, listener with {listener.returncode}")
    heard: dict[str, list[tuple[float, float]]] = json.loads(told)
    return heard


def _drive(points: int) -> None:
    """In the driver's place: serialised clouds with the time they leave as their stamp, on both topics by turns."""
    import rclpy
    from lidar_vl_ros.bags.rhythm import restamped
    from lidar_vl_ros.messages.qos import OUTPUT
    from lidar_vl_ros.messages.sensor_data import point_cloud2
    from lidar_vl_ros.process.run_node import keep_freed_memory
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import PointCloud2
    from std_msgs.msg import Header

    keep_freed_memory()
    rclpy.init()
    node = rclpy.create_node("driver")
    publishers = [node.create_publisher(PointCloud2, topic, OUTPUT) for topic in (MESSAGES, RAW)]
    columns = np.random.default_rng(0).normal(size=(4, points)).astype(np.float32)
    sent = serialize_message(point_cloud2(Header(frame_id="lidar"), dict(zip(NAMES, columns, strict=True))))
    given_up_s = time.monotonic() + _LONGEST_S / 2
    while not all(publisher.get_subscription_count() for publisher in publishers):
        if time.monotonic() > given_up_s:
            sys.exit("nobody listens")
        time.sleep(0.05)
    time.sleep(0.5)
    started_s = time.monotonic()
    for number in range(2 * SENT):
        time.sleep(max(started_s + number / (2 * RATE_HZ) - time.monotonic(), 0.0))
        publishers[number % 2].publish(restamped(sent, time.monotonic_ns()))
    time.sleep(1.0)
    node.destroy_node()
    rclpy.shutdown()


def _listen() -> None:
    """Print, by how it was read, of each cloud the milliseconds from its stamp to a numpy view of its points, and of this thread."""
    import rclpy
    from lidar_vl_ros.messages.qos import NEWEST_ONLY
    from lidar_vl_ros.process.run_node import keep_freed_memory
    from sensor_msgs.msg import PointCloud2

    from lidar_vl_core.foundation.stamps import NS_PER_S, stamp_ns

    keep_freed_memory()
    rclpy.init()
    node = rclpy.create_node("listener")
    latency_ms: dict[str, list[float]] = {"messages": [], "raw bytes": []}
    cpu_ms: dict[str, list[float]] = {"messages": [], "raw bytes": []}
    last_s = time.monotonic() + _LONGEST_S / 2

    def read(message: PointCloud2) -> None:
        np.frombuffer(message.data, np.uint8)
        latency_ms["messages"].append((time.monotonic_ns() - stamp_ns(message.header.stamp)) / 1e6)

    def read_raw(sent: bytes) -> None:
        np.frombuffer(sent, np.uint8)
        sec, nanosec = np.frombuffer(sent, "<u4", 2, 4)
        latency_ms["raw bytes"].append((time.monotonic_ns() - (int(sec) * NS_PER_S + int(nanosec))) / 1e6)

    node.create_subscription(PointCloud2, MESSAGES, read, NEWEST_ONLY)
    node.create_subscription(PointCloud2, RAW, read_raw, NEWEST_ONLY, raw=True)
    while time.monotonic() < last_s and sum(map(len, latency_ms.values())) < 2 * SENT:
        started_s = time.thread_time()
        rclpy.spin_once(node, timeout_sec=0.1)
        for how, values in cpu_ms.items():
            if len(latency_ms[how]) > len(values):
                values.append(1e3 * (time.thread_time() - started_s))
                last_s = time.monotonic() + 2.0
    print(json.dumps({how: list(zip(latency_ms[how], cpu_ms[how], strict=True)) for how in cpu_ms}))
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    parser = CommandLine(prog="python -m tests.bench.node.transport", description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--role", choices=("drive", "listen"), help="be one end; started by measure()")
    arguments = parser.parse_args()
    if arguments.role == "drive":
        _drive(arguments.points)
    elif arguments.role == "listen":
        _listen()
    else:
        print_table(measure(arguments.points))
