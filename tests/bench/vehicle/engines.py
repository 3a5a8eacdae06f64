"""MinkUNet18A in the fused engine, in ONNX Runtime and in spconv, at growing numbers of voxels, one process, in turn.

Run: python -m tests.bench --only vehicle.engines. spconv's CPU convolutions race with themselves: only with one thread are its
results right, so that is how it runs here, and the fused engine with one thread stands beside it. Its submanifold indices are
built before the clock starts (it does not let others be kept); our pair lists inside it. An engine that would need more memory
than is free is left out, and named.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.foundation.threads import available_cores
from lidar_vl_core.sparse_model.graph import SparseGraph
from lidar_vl_core.voxels.grid import voxelise
from lidar_vl_core.voxels.kernel_maps import KernelMaps, build_kernel_maps
from tests.bench.core.spconv_network import spconv_network
from tests.bench.report.slopes import growth_exponent
from tests.bench.report.timing import interleaved_ms, judged, measured_row
from tests.bench.vehicle.graphs import GRAPHS, random_features
from tests.bench.vehicle.scans import QUICK_VOXELS, VOXELS, SizedScan, sized_scan

NETWORK = "MinkUNet18A"
PEERS = ("onnxruntime", "spconv, 1 core")
REPEATS = 7
# Bytes a voxel of the finest level: gathered neighbours of 96 channels in ONNX Runtime, a gathered and a scattered copy in spconv.
_PEAK_BYTES = {"onnxruntime": 27 * 96 * 4 * 2, "spconv, 1 core": 27 * 96 * 4}
_LARGEST_DIFFERENCE = 1e-4
_LEAST_RATIO = {30_000: 4.5, 60_000: 4.5}  # of spconv's time over the fused engine's


def measure(quick: bool = False) -> list[dict[str, Any]]:
    """Rows {name, value, unit, target, passed, ...}: times, ratios paired in time, differences of the answers, growth."""
    rows: list[dict[str, Any]] = []
    for voxels in QUICK_VOXELS if quick else VOXELS:
        print(f"  {NETWORK}, {voxels:,} voxels ...", file=sys.stderr, flush=True)
        rows += _in_child(voxels)
    return rows + _growth(rows)


def _in_child(voxels: int) -> list[dict[str, Any]]:
    """The rows of one size, measured by a process of its own: its memory is free again, and if it is too much, only it ends."""
    command = [sys.executable, "-m", "tests.bench.vehicle.engines", "--voxels", str(voxels)]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if child.returncode < 0:
        print(f"  {voxels:,} voxels are left out: ended by signal {-child.returncode}", file=sys.stderr, flush=True)
        return []
    if child.returncode:
        raise RuntimeError(
            f"{NETWORK}, {voxels:,} voxels: expected to be measured, found exit code {child.returncode}."
        )
    return json.loads(child.stdout.splitlines()[-1])


def rows_of(graph: SparseGraph, scan: SizedScan, least_ratio: float | None = None) -> list[dict[str, Any]]:
    """All engines on one scan."""
    maps = build_kernel_maps(voxelise(scan.cloud.xyz_m, scan.grid).coords, graph.levels)
    features = random_features(graph, maps)
    where = f"{NETWORK}, {scan.voxels / 1000:.0f}k voxels"
    runs = _runs(graph, features, maps)
    answers = {name: run() for name, run in runs.items()}
    times_ms = interleaved_ms(runs, REPEATS)
    rows = [
        measured_row(f"{name}: {where}", times, kind="engine", engine=name, voxels=scan.voxels)
        for name, times in times_ms.items()
    ]
    for peer, ours in ((peer, ours) for peer in PEERS for ours in ("fused", "fused, 1 core") if peer in runs):
        ratios = [theirs / own for theirs, own in zip(times_ms[peer], times_ms[ours], strict=True)]
        row = measured_row(
            f"{peer} / {ours}: {where}", ratios, "x", kind="ratio", peer=peer, ours=ours, voxels=scan.voxels
        )
        is_target = (peer, ours) == ("spconv, 1 core", "fused")
        rows.append(judged(row, at_least=least_ratio if is_target else None))
    largest = float(np.abs(answers["fused"]).max())
    difference = max(float(np.abs(answer - answers["fused"]).max()) for answer in answers.values()) / largest
    told = measured_row(f"largest difference between engines, of the largest answer: {where}", [difference], "")
    return [*rows, judged(told, at_most=_LARGEST_DIFFERENCE)]


def _runs(graph: SparseGraph, features: np.ndarray, maps: KernelMaps) -> dict[str, Callable[[], np.ndarray]]:
    from lidar_vl_core.engines.cpu.engine import FusedEngine
    from lidar_vl_core.engines.onnx_runtime import OnnxEngine

    cores = available_cores()
    fused, one_core = FusedEngine(graph, cores), FusedEngine(graph, 1)
    runs = {"fused": lambda: fused.run(features, maps), "fused, 1 core": lambda: one_core.run(features, maps)}
    if _fits("onnxruntime", maps.counts[0]):
        onnx = OnnxEngine(graph, cores)
        runs["onnxruntime"] = lambda: onnx.run(features, maps)
    if _fits("spconv, 1 core", maps.counts[0]):
        spconv_run = spconv_network(graph, features, maps)
        if spconv_run:
            runs["spconv, 1 core"] = spconv_run
    return runs


def _fits(engine: str, voxels: int) -> bool:
    """Whether two thirds of the free memory hold it."""
    needed, free = _PEAK_BYTES[engine] * voxels, _free_bytes()
    if free is not None and needed > 2 * free / 3:
        print(
            f"  {engine} is left out: about {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free",
            file=sys.stderr,
            flush=True,
        )
        return False
    return True


def _free_bytes() -> int | None:
    path = Path("/proc/meminfo")
    if not path.is_file():
        return None
    lines = dict(line.split(":") for line in path.read_text().splitlines())
    return 1024 * int(lines["MemAvailable"].split()[0])


def _growth(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    grown = []
    for engine in ("fused", "fused, 1 core", *PEERS):
        own = [row for row in rows if row["details"].get("engine") == engine]
        if len(own) >= 3:
            line = growth_exponent([row["details"]["voxels"] for row in own], [row["value"] for row in own])
            row = measured_row(f"{engine}: {NETWORK}, grows with voxels to the power of", [line.slope], "")
            row["low"], row["high"] = round(line.slope_low, 3), round(line.slope_high, 3)
            grown.append({**row, "details": {"kind": "growth", "engine": engine, "low_high": "95 % interval"}})
    return grown


if __name__ == "__main__":
    parser = CommandLine(prog="python -m tests.bench.vehicle.engines", description=__doc__.splitlines()[0])
    parser.add_argument("--voxels", type=int, required=True, help="of the one scan; prints rows as JSON")
    asked = parser.parse_args().voxels
    if Path("/proc/self/oom_score_adj").exists():
        Path("/proc/self/oom_score_adj").write_text("1000")  # where memory runs out it is this process that ends
    print(json.dumps(rows_of(GRAPHS[NETWORK](), sized_scan(asked), _LEAST_RATIO.get(asked))))
