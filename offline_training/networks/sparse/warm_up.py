"""The compiled loops of training on a CPU, called once before they are needed."""

import numpy as np
import torch

from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.networks.sparse.inputs import SparsePreparer
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.minkunet_shapes import MinkUNetShape


def compile_loops() -> None:
    """Run a small sparse network forwards and backwards, so that its loops are compiled, or loaded where they once were."""
    grid = VoxelGrid("cartesian", (0.5, 0.5, 0.5), (-8.0, -8.0, -8.0, 8.0, 8.0, 8.0))
    spread = np.arange(3 * 500, dtype=np.float32).reshape(-1, 3)
    xyz_m = 6.0 * np.sin(spread)
    inputs = SparsePreparer(grid, ("one", "intensity"))([(xyz_m, np.zeros(len(xyz_m), np.float32))])
    with torch.random.fork_rng(devices=[]):  # a run's own random numbers stay where they are
        network = MinkUNet(MinkUNetShape(16, (16,) * 8, (1,) * 8), 2, 2)
    network(inputs).sum().backward()
