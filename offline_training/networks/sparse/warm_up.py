"""The compiled loops of training on a CPU, called once before they are needed."""

import numpy as np
import torch

from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.networks.sparse.convolution import DownConv, SubmanifoldConv, UpConv
from offline_training.networks.sparse.inputs import SparsePreparer

_WIDTH = 16  # fills vector registers


def compile_loops() -> None:
    """Voxelise a few points and convolve them forwards and backwards: loops are compiled, or loaded where they once were."""
    grid = VoxelGrid("cartesian", (0.5, 0.5, 0.5), (-8.0, -8.0, -8.0, 8.0, 8.0, 8.0))
    xyz_m = 6.0 * np.sin(np.arange(3 * 500, dtype=np.float32)).reshape(-1, 3)
    inputs = SparsePreparer(grid, ("one", "intensity"))([(xyz_m, np.zeros(len(xyz_m), np.float32))])
    with torch.random.fork_rng(devices=[]):  # a run's own random numbers stay where they are
        layers = SubmanifoldConv(_WIDTH, _WIDTH), DownConv(_WIDTH, _WIDTH), UpConv(_WIDTH, _WIDTH)
    x = torch.ones(inputs.row_count, _WIDTH, requires_grad=True)
    for layer in layers:
        x = layer(x, inputs.maps, 0)
    x.sum().backward()
