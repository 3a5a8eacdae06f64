"""Voxels, features and tables on the device: those of the core, row by row."""

from dataclasses import replace

import numpy as np
import torch

from lidar_vl_core.voxels.features import COLOUR_FEATURES, FEATURE_NAMES
from lidar_vl_core.voxels.grid import VoxelGrid
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from offline_training.networks.sparse.inputs import SparsePreparer
from offline_training.networks.sparse.on_device.kernel_maps import device_kernel_maps
from tests.bench.gpu.smoke.steps import Step, require_close

_BOX = VoxelGrid("cartesian", (0.2, 0.2, 0.2), (-50.0, -50.0, -4.0, 50.0, 50.0, 6.0))
_RING = VoxelGrid("cylindrical", (0.2, 0.02, 0.2), (0.0, -3.1416, -4.0, 60.0, 3.1416, 6.0))
_NAMES = tuple(name for name in FEATURE_NAMES if name not in COLOUR_FEATURES)


def steps(device: torch.device) -> list[Step]:
    """Two grids, and tables alone."""
    return [
        Step("voxels and features, box", lambda d: _inputs(_BOX, d)),
        Step("voxels and features, ring", lambda d: _inputs(_RING, d)),
        Step("tables of all levels", _tables),
        Step("a batch moved to the device builds its tables there", _moved),
    ]


def _scans() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    sizes = (30_000, 5_000)
    return [
        (rng.normal(scale=(15, 15, 1), size=(size, 3)).astype(np.float32), rng.random(size).astype(np.float32))
        for size in sizes
    ]


def _inputs(grid: VoxelGrid, device: torch.device) -> str:
    prepare = SparsePreparer(grid, _NAMES, tables_later=True)
    expected = prepare(_scans())
    found = prepare([tuple(torch.from_numpy(part).to(device) for part in scan) for scan in _scans()])
    if grid.kind == "cylindrical" and found.row_count != expected.row_count:
        moved = abs(found.row_count - expected.row_count)
        if moved > 5:
            raise RuntimeError(f"voxels: expected {expected.row_count} but for a few, found {found.row_count}")
        return f"{moved} of {expected.row_count} voxels differ by the device's arc tangent"
    if not torch.equal(found.maps.voxels.cpu(), expected.maps.voxels):
        raise RuntimeError(f"voxels: expected the core's {expected.row_count}, found {found.row_count} others")
    if not torch.equal(found.row_of_point.cpu(), expected.row_of_point):
        raise RuntimeError("row_of_point: expected the core's, found others")
    difference = float((found.features.cpu() - expected.features).abs().max())
    return f"{found.row_count} voxels, {require_close('features', difference, 1e-5)}"


def _tables(device: torch.device) -> str:
    voxels = SparsePreparer(_BOX, ("one",), tables_later=True)(_scans()).maps.voxels
    batch, coords = voxels[:, 0].contiguous().numpy(), voxels[:, 1:].contiguous().numpy()
    expected, found = build_kernel_maps(coords, 5, batch), device_kernel_maps(voxels.to(device), 5)
    for name in ("subm", "child", "up"):
        for level, (a, b) in enumerate(zip(getattr(found, name), getattr(expected, name), strict=True)):
            if not np.array_equal(a.cpu().numpy(), b):
                raise RuntimeError(f"{name}{level}: expected the core's, found others")
    return f"{found.counts} voxels"


def _moved(device: torch.device) -> str:
    inputs = SparsePreparer(_BOX, ("one",), tables_later=True)(_scans()).to(device)
    tables = replace(inputs.maps, form="gather").subm
    if any(table.index.device.type != device.type for table in tables):
        raise RuntimeError(f"expected tables on {device}, found them elsewhere")
    return f"{len(tables)} levels on {device}"
