"""A tiny WaffleIron, its grids, and random scans for it."""

import numpy as np

from lidar_vl_core.voxels.flat_grids import FlatGrids
from offline_training.networks.waffleiron.inputs import WafflePreparer
from offline_training.networks.waffleiron.waffleiron_shapes import WaffleIronShape

TINY = WaffleIronShape(layers=4, channels=8, drop_path=0.0)
GRIDS = FlatGrids((0.1, 0.1, 0.1), (-10.0, -10.0, -4.0, 10.0, 10.0, 4.0), 1.0, None)
PREPARER = WafflePreparer(GRIDS)


def scan(count: int, seed: int = 0, reach_m: float = 9.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    xyz_m = rng.uniform(-reach_m, reach_m, (count, 3)) * (1, 1, 0.3)
    return xyz_m.astype(np.float32), rng.uniform(0, 1, count).astype(np.float32)


def spread_scan(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One point in each of `count` voxels."""
    rng = np.random.default_rng(seed)
    cell = rng.choice(180 * 180 * 60, count, replace=False)
    xyz_m = np.stack(np.unravel_index(cell, (180, 180, 60)), axis=1) * 0.1 - (9, 9, 3) + 0.05
    return (xyz_m + rng.uniform(-0.03, 0.03, (count, 3))).astype(np.float32), rng.uniform(0, 1, count).astype(
        np.float32
    )
