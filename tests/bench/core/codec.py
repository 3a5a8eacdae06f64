"""PointCloud2 codec figures: decode, encode, and what damaged messages lead to. Run: python -m tests.bench.core.codec"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.clouds.cloud_decoder import CloudDecoder
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import PointCloud2Layout, decode, encode, encode_labelled
from lidar_vl_core.commands.program.command_line import CommandLine

POINTS = 120_000


def measure(fuzz_count: int = 1_000_000) -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}; times are medians of 300 calls on one thread."""
    from lidar_vl_ros.process.run_node import keep_freed_memory

    keep_freed_memory()  # as nodes do
    generator = np.random.default_rng(0)
    names = ("x", "y", "z", "intensity")
    columns = {name: generator.uniform(0, 50, POINTS).astype(np.float32) for name in names}
    padded = {**columns, "ring": np.zeros(POINTS, np.uint16), "time": np.zeros(POINTS, np.float64)}
    message, of_topic = encode(columns), CloudDecoder()
    cloud = of_topic.decode(message)  # judges the scale of the topic's intensity
    class_id = generator.integers(0, 16, POINTS).astype(np.uint8)
    probability = generator.random(POINTS, np.float32)
    return [
        _timed("decode 120k points, 16 bytes packed", 0.3, of_topic.decode, message),
        _timed("decode 120k points, the first cloud of a topic", None, decode, message),
        _timed("decode 120k points, 32 bytes padded", None, of_topic.decode, encode(padded, aligned=True)),
        _timed("encode 120k labelled points", 3.0, lambda c: encode_labelled(c, class_id, probability), cloud),
        *_fuzz_rows(fuzz_count),
    ]


def _timed(
    name: str, target_ms: float | None, call: Callable, argument: PointCloud | PointCloud2Layout
) -> dict[str, Any]:
    times = []
    for _ in range(300):
        started = time.perf_counter()
        call(argument)
        times.append((time.perf_counter() - started) * 1e3)
    value = float(np.median(times))
    target, passed = (None, None) if target_ms is None else (f"< {target_ms}", value < target_ms)
    return {"name": name, "value": round(value, 3), "unit": "ms", "target": target, "passed": passed}


def _fuzz_rows(count: int) -> list[dict[str, Any]]:
    result = fuzz_in_child(count)
    crashed = int(result.returncode != 0)
    figures = json.loads(result.stdout) if not crashed else {"wrong": -1, "slowest_ms": float("inf"), "outcomes": {}}
    name = f"{count:,} malformed PointCloud2"
    return [
        {"name": f"{name}: crashes", "value": crashed, "unit": "", "target": "0", "passed": not crashed},
        {
            "name": f"{name}: exceptions other than BadPointCloud",
            "value": figures["wrong"],
            "unit": f"of {figures['outcomes']}",
            "target": "0",
            "passed": figures["wrong"] == 0,
        },
        {
            "name": f"{name}: slowest",
            "value": round(figures["slowest_ms"], 3),
            "unit": "ms CPU",
            "target": "< 10",
            "passed": figures["slowest_ms"] < 10,
        },
    ]


def fuzz_in_child(count: int, seed: int = 0) -> subprocess.CompletedProcess:
    """Run the fuzzer in a process of its own, so that a signal shows as a negative return code."""
    command = [
        sys.executable,
        "-m",
        "tests.bench.core.codec",
        "--fuzz-child",
        "--count",
        str(count),
        "--seed",
        str(seed),
    ]
    repository = Path(__file__).resolve().parents[3]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def _limit_memory(extra_bytes: int) -> None:
    """Let this process take no more than so many bytes from now on: a header must not make the decoder take them."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Print the table, or with --fuzz-child the outcome counts as JSON."""
    parser = CommandLine(prog="python -m tests.bench.core.codec", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="damaged messages")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fuzz-child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fuzz_child:
        from tests.bench.core.codec_fuzz import fuzz

        _limit_memory(2 << 30)
        result = fuzz(arguments.count, arguments.seed)
        print(json.dumps({**vars(result), "wrong": result.wrong}))
        return
    for row in measure(arguments.count):
        print(f"{row['name']}: {row['value']} {row['unit']}, target {row['target']}, passed {row['passed']}")


if __name__ == "__main__":
    main()
