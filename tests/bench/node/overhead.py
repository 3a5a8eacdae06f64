"""What the node costs beside the work itself: from the stamp to the labels in another process, and the node's own stage times.

Run: python -m tests.bench --only node.overhead. Clouds come so slowly that none waits for another: what is left beside the
stages is transport to the node and from it, decoding, encoding and waking up.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.commands.program.command_line import CommandLine
from tests.bench.node.cloud_traffic import INPUT, LAST_CLOUD_TIMEOUT_S, READY_TIMEOUT_S, drive, street_clouds
from tests.bench.node.latency import LABELLED, SENSORS
from tests.bench.report.timing import measured_row

STAGES = ("voxels", "maps", "network", "labels", "total")
_RATES_HZ = {35_000: 5.0, 168_000: 2.5}  # by points of a cloud
_COUNT, _QUICK_COUNT = 60, 20
_WARM = 3  # first clouds, not counted


def measure(quick: bool = False) -> list[dict[str, Any]]:
    """Rows {name, value, unit, target, passed, ...} of the demo model at two sizes of clouds; quick: the smaller one."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for sensor in SENSORS[:1] if quick else SENSORS:
            clouds = Path(folder) / f"{sensor.points}.npy"
            np.save(clouds, street_clouds(sensor.points, sensor.lidar, sensor.azimuth_steps))
            rate_hz = _RATES_HZ[sensor.points]
            heard = _run(Path(folder), clouds, _QUICK_COUNT if quick else _COUNT, rate_hz)
            rows += _rows(f"segmentation node, {sensor.points // 1000}k points", sensor.points, heard)
    return rows


def _rows(where: str, points: int, heard: dict[str, list[float]]) -> list[dict[str, Any]]:
    parts = {stage: heard[stage][_WARM:] for stage in STAGES if stage != "total"}
    rest = [latency - total for latency, total in zip(heard["latency"], heard["total"], strict=True)][_WARM:]
    parts = {**parts, "transport, decoding, encoding": rest, "stamp to labels": heard["latency"][_WARM:]}
    return [
        measured_row(f"{where}, {part}", values, kind="node_part", part=part, points=points)
        for part, values in parts.items()
    ]


def _run(folder: Path, clouds: Path, count: int, rate_hz: float) -> dict[str, list[float]]:
    from lidar_vl_ros.process.child_nodes import ChildNodes, private_graph_environment

    environment = private_graph_environment()
    with ChildNodes(folder, environment) as graph:
        graph.start("segmentation_node", {"~/input/pointcloud": INPUT}, model="demo")
        listener = _listener(count, environment)
        driver = drive(clouds, count, (LABELLED, _topic("total")), environment, rate_hz=rate_hz)
        driver.communicate(timeout=READY_TIMEOUT_S + count / rate_hz + 30)
        told, _ = listener.communicate(timeout=60)
    if driver.returncode or listener.returncode:
        log = (folder / "segmentation_node.log").read_text()
        raise RuntimeError(f"driver ended with {driver.returncode}, listener with {listener.returncode}: {log}")
    heard: dict[str, list[float]] = json.loads(told)
    counts = {name: len(values) for name, values in heard.items()}
    if len(set(counts.values())) > 1 or counts["latency"] < count / 2:
        raise RuntimeError(
            f"expected about {count} of everything at {rate_hz:g} Hz, found {counts}. Is the machine this busy?"
        )
    return heard


def _topic(stage: str) -> str:
    return f"/segmentation_node/debug/{stage}_ms"


def _listener(count: int, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.bench.node.overhead", "--listen", str(count)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _listen(count: int) -> None:
    """Print the latencies and the stage times of so many clouds as JSON; ends some time after the last one."""
    import rclpy
    from lidar_vl_ros.messages.qos import OUTPUT
    from lidar_vl_ros.process.run_node import keep_freed_memory
    from sensor_msgs.msg import PointCloud2
    from std_msgs.msg import Float64

    from lidar_vl_core.foundation.stamps import stamp_ns

    keep_freed_memory()
    rclpy.init()
    node = rclpy.create_node("listener")
    heard: dict[str, list[float]] = {"latency": [], **{stage: [] for stage in STAGES}}

    def received(message: PointCloud2) -> None:
        heard["latency"].append((time.monotonic_ns() - stamp_ns(message.header.stamp)) / 1e6)

    node.create_subscription(PointCloud2, LABELLED, received, OUTPUT)
    for stage in STAGES:
        node.create_subscription(Float64, _topic(stage), lambda message, s=stage: heard[s].append(message.data), OUTPUT)
    last_s, known = time.monotonic(), 0
    while min(map(len, heard.values())) < count:
        rclpy.spin_once(node, timeout_sec=0.1)
        if len(heard["latency"]) > known:
            last_s, known = time.monotonic(), len(heard["latency"])
        if time.monotonic() - last_s > (LAST_CLOUD_TIMEOUT_S if known else READY_TIMEOUT_S):
            break
    print(json.dumps(heard))
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    parser = CommandLine(prog="python -m tests.bench.node.overhead", description=__doc__.splitlines()[0])
    parser.add_argument("--listen", type=int, required=True, help="so many clouds; started by measure()")
    _listen(parser.parse_args().listen)
