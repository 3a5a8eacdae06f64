"""A package in int8 beside its own in float32, both in the fused engine, one process, in turn: the network and the whole cloud.

Run: python -m tests.bench.vehicle.int8 demo INT8_PACKAGE CLOUD_FILE...
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.foundation.threads import available_cores
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter
from tests.bench.report.table import print_table
from tests.bench.report.timing import interleaved_ms, measured_row

REPEATS = 15
STAGES = {"network": "network", "cloud to labels": "total"}


def measure(single: Path | str, lower: Path | str, clouds: list[Path], threads: int) -> list[dict[str, Any]]:
    """Rows {name, value, unit, target, passed, ...}: milliseconds of both, and ratios paired in time."""
    robots = [Segmenter(load_model_package(package), "fused", threads) for package in (single, lower)]
    names = ["float32" if robot.engine_name == "fused" else robot.engine_name for robot in robots]
    rows = []
    for path in clouds:
        cloud = read_cloud(path)
        where = f"{len(cloud) / 1000:.0f}k points, {threads} threads"
        timings = _timings(dict(zip(names, robots, strict=True)), cloud)
        for stage, key in STAGES.items():
            times_ms = {name: [timing[key] for timing in timings[name]] for name in names}
            rows += [measured_row(f"{stage}, {name}: {where}", times) for name, times in times_ms.items()]
            slow, fast = times_ms.values()
            ratios = [before / after for before, after in zip(slow, fast, strict=True)]
            rows.append(measured_row(f"{stage}, {' / '.join(names)}: {where}", ratios, "x"))
    return rows


def _timings(robots: dict[str, Segmenter], cloud: PointCloud) -> dict[str, list[dict[str, float]]]:
    """What each says of its own time, cloud after cloud, without the first."""
    told: dict[str, list[dict[str, float]]] = {name: [] for name in robots}

    def run(name: str, robot: Segmenter) -> None:
        told[name].append(robot.segment(cloud).timing_ms)

    interleaved_ms({name: partial(run, name, robot) for name, robot in robots.items()}, REPEATS)
    return {name: timings[1:] for name, timings in told.items()}


def main() -> int:
    """Print the rows with one thread and with all cores."""
    parser = CommandLine(prog="python -m tests.bench.vehicle.int8", description=__doc__.splitlines()[0])
    parser.add_argument("single", help="the package in float32, a folder or a name")
    parser.add_argument("lower", help="the package in int8")
    parser.add_argument("clouds", nargs="+", type=Path)
    asked = parser.parse_args()
    for threads in sorted({1, available_cores()}):
        print_table(measure(asked.single, asked.lower, asked.clouds, threads))
    return 0


if __name__ == "__main__":
    sys.exit(main())
