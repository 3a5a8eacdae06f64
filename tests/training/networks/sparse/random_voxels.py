"""Random voxels with their maps, and random problems of convolution on them."""

import numpy as np
import torch

from offline_training.networks.sparse.maps import SparseMaps
from offline_training.networks.sparse.minkunet import LEVELS

SIDE = 8  # cells of the dense grid


def random_coords(seed: int, count: int) -> np.ndarray:
    cells = np.random.default_rng(seed).choice(SIDE**3, count, replace=False)
    return np.stack(np.unravel_index(np.sort(cells), (SIDE,) * 3), axis=1).astype(np.int32)


def maps_of(coords: np.ndarray, levels: int = 2, form: str = "auto") -> SparseMaps:
    return SparseMaps.of_coords(coords, levels=levels, form=form)


def random_maps(count: int, seed: int = 0, form: str = "auto", side: int = 40) -> SparseMaps:
    cells = np.sort(np.random.default_rng(seed).choice(side**3, count, replace=False))
    coords = np.stack(np.unravel_index(cells, (side,) * 3), axis=1).astype(np.int32)
    return SparseMaps.of_coords(coords, levels=LEVELS, form=form)


def values_and_gradients(
    y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, pull: torch.Tensor
) -> list[torch.Tensor]:
    return [y, *torch.autograd.grad((y * pull).sum(), [x, weight])]


def random_problem(seed: int, rows: int, kernel: int, c_in: int, c_out: int, dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, c_in, generator=generator, dtype=dtype, requires_grad=True)
    weight = torch.randn(kernel, c_in, c_out, generator=generator, dtype=dtype, requires_grad=True)
    return [x, weight]
