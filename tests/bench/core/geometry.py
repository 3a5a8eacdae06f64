"""Voxels, kernel maps of five levels, features and labels of one scan, beside spconv where it is installed.

Run: python -m tests.bench.core.geometry. All variants take turns in one process; milliseconds are medians.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lidar_vl_core.tasks.point_labels import label_points
from lidar_vl_core.voxels.features import voxel_features
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from tests.bench.core.scan import synthetic_scan
from tests.bench.report.table import print_table, row

LEVELS = 5
REPEATS = 31
# half range and voxel size in metres: about 31k and 60k voxels of the 128k points
GRIDS = ((51.2, 0.117), (51.2, 0.066))
NAMES = ("intensity", "height", "range", "offset_x", "offset_y", "offset_z")


def measure() -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}. Memory is kept between scans as the nodes keep it."""
    from lidar_vl_ros.process.run_node import keep_freed_memory

    keep_freed_memory()
    rows = []
    xyz_m = synthetic_scan(np.random.default_rng(3))
    for half_m, size_m in GRIDS:
        grid = VoxelGrid("cartesian", (size_m,) * 3, (-half_m, -half_m, -5.0, half_m, half_m, 5.0))
        rows += _rows_of(xyz_m, grid, judged=size_m == GRIDS[-1][1])
    return rows


def _rows_of(xyz_m: np.ndarray, grid: VoxelGrid, judged: bool) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    voxels = voxelise(xyz_m, grid)
    intensity = rng.random(len(xyz_m), np.float32)
    logits = rng.normal(size=(len(voxels.coords), 16)).astype(np.float32)
    shuffled = np.ascontiguousarray(xyz_m[rng.permutation(len(xyz_m))])
    variants: dict[str, Callable[[], Any]] = {
        "voxels": partial(voxelise, xyz_m, grid),
        "voxels, points shuffled": partial(voxelise, shuffled, grid),
        "kernel maps, 1 thread": partial(build_kernel_maps, voxels.coords, LEVELS, threads=1),
        "kernel maps, 2 threads": partial(build_kernel_maps, voxels.coords, LEVELS, threads=2),
        "features": partial(voxel_features, xyz_m, intensity, voxels, grid, NAMES),
        "labels of the points": partial(label_points, logits, voxels.point_to_voxel),
        **_spconv_variants(xyz_m, grid, voxels.coords),
    }
    times_ms = _interleaved(variants)
    where = f"{len(xyz_m) // 1000}k points, {len(voxels.coords) / 1000:.1f}k voxels"
    medians = {name: statistics.median(times) for name, times in times_ms.items()}
    rows = [row(f"{name}: {where}", value, "ms") for name, value in medians.items()]
    both = [a + b for a, b in zip(times_ms["voxels"], times_ms["kernel maps, 2 threads"], strict=True)]
    rows.append(
        row(
            f"voxels and kernel maps of {LEVELS} levels: {where}",
            statistics.median(both),
            "ms",
            below=10.0 if judged else None,
        )
    )
    return rows


def _spconv_variants(xyz_m: np.ndarray, grid: VoxelGrid, coords: np.ndarray) -> dict[str, Callable[[], Any]]:
    """The same two steps in spconv on the CPU, with one thread and with two; nothing where it is not installed."""
    try:
        import torch
        from spconv.core import ConvAlgo
        from spconv.pytorch import ops
        from spconv.pytorch.utils import PointToVoxel
    except ImportError as error:
        print(f"geometry: spconv is not installed ({error}), so only our own figures are measured", file=sys.stderr)
        return {}
    to_voxels = PointToVoxel(
        vsize_xyz=list(grid.voxel_size),
        coors_range_xyz=list(grid.point_cloud_range),
        num_point_features=3,
        max_num_voxels=200_000,
        max_num_points_per_voxel=1,
        device=torch.device("cpu"),
    )
    points = torch.from_numpy(xyz_m)
    # spconv wants the batch first; the axes may come in any order.
    finest = torch.from_numpy(np.column_stack([np.zeros(len(coords)), coords]).astype(np.int32))
    whole = [size + (-size) % 16 for size in grid.shape]

    def pairs_of_all_levels() -> None:
        indices, shape = finest, whole
        for level in range(LEVELS):
            if level:
                outcome = ops.get_indice_pairs(
                    indices, 1, shape, ConvAlgo.Native, [2] * 3, [2] * 3, [0] * 3, [1] * 3, [0] * 3, False, False
                )
                indices, shape = outcome[0], [size // 2 for size in shape]
            ops.get_indice_pairs(
                indices, 1, shape, ConvAlgo.Native, [3] * 3, [1] * 3, [1] * 3, [1] * 3, [0] * 3, True, False
            )

    def with_threads(threads: int, task: Callable[[], Any]) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            task()
        finally:
            torch.set_num_threads(before)

    return {
        f"spconv {name}, {threads} thread{'s' * (threads > 1)}": partial(with_threads, threads, task)
        for threads in (1, 2)
        for name, task in {
            "PointToVoxel": partial(to_voxels, points),
            "index pairs of 5 levels": pairs_of_all_levels,
        }.items()
    }


def _interleaved(variants: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Milliseconds of each variant, in turn again and again, so that a busy moment meets all of them."""
    for run in variants.values():
        run()
    times_ms: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(REPEATS):
        for name, run in variants.items():
            started = time.perf_counter()
            run()
            times_ms[name].append((time.perf_counter() - started) * 1e3)
    return times_ms


if __name__ == "__main__":
    print_table(measure())
