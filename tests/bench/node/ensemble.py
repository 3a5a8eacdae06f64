"""The ensemble under load: clouds at 10 Hz beside six cameras. Run: python -m tests.bench.node.ensemble

A process in the place of LiDAR, cameras and odometry, the node, and a listener that takes the time, as tests.bench.node.latency.
Pictures are encoded beside the clouds and, to compare, waited for by each cloud (image_features_max_age_s = 0).
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.commands.program.command_line import CommandLine
from tests.bench.node.cloud_traffic import INPUT, RATE_HZ, READY_TIMEOUT_S, listen, street_clouds
from tests.bench.node.ensemble_driver import CAMERAS, ODOMETRY, STAGES, drive, picture_topic
from tests.bench.node.latency import LABELLED
from tests.bench.node.words import IMAGE_SIZE, POINTS, write_package
from tests.bench.report.table import print_table, row

MAX_AGE_S = 1.0


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
    cameras: dict[str, Any] = {f"cameras.camera{number}.topic": picture_topic(number) for number in range(CAMERAS)}
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
        driver = drive(clouds, count, IMAGE_SIZE, bool(max_age_s), environment)
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


def _static_transform(number: int) -> str:
    """Six cameras around the LiDAR, at its place."""
    from lidar_vl_core.geometry.rigid_transform import RigidTransform

    yaw_rad = np.radians(60.0 * number)
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    to_optical = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    T_cam_lidar = RigidTransform(to_optical @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]]), np.zeros(3))
    return f"lidar camera{number} 0 0 0 " + " ".join(map(str, T_cam_lidar.inverse().quaternion()))


if __name__ == "__main__":
    parser = CommandLine(prog="python -m tests.bench.node.ensemble", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    print_table(measure(parser.parse_args().seconds))
