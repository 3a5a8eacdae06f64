"""Clouds for VoxelNet, its grid, and norms that have seen something."""

import numpy as np
import torch

from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.networks.voxelnet.inputs import VoxelNetPreparer

RANGE = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
GRID = VoxelGrid("cartesian", (0.1, 0.1, 0.2), RANGE)
PREPARER = VoxelNetPreparer(GRID, 255.0)


def cloud(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points in clusters, some outside the range."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform((-50, -50, -4), (50, 50, 2), (max(1, count // 50), 3))
    xyz_m = centre[rng.integers(0, len(centre), count)] + rng.normal(0, 0.4, (count, 3))
    return xyz_m.astype(np.float32), rng.uniform(0, 1, count).astype(np.float32)


def random_norms(network: torch.nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(module.running_mean, 0, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.normal_(module.bias, 0, 0.2)
