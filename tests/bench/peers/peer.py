"""What every side of the comparison does: ours in each form, and others' packages, with the same weights on the same voxels."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

Kind = Literal["submanifold", "down", "up"]  # 3^3, 2^3 with stride 2, and the inverse of that
Convolve = Callable[[Tensor, Tensor, Any, int], Tensor]  # x, weight, geometry, level


class Peer(ABC):
    """Sparse convolutions of one package.

    Rows of a level are in the package's own order, but for those of the finest, which enter() and leave() bring to and from ours.
    """

    name: str  # as tables have it
    modules: tuple[str, ...]  # what has to be importable
    trains_on: tuple[str, ...] = ("cuda", "cpu")  # devices on which it has gradients
    keeps_maps = True  # whether a geometry that was used can be used again for the whole network

    @abstractmethod
    def geometry(self, voxels: Tensor) -> Any:
        """What the layers of one batch share; voxels: (M, 4) int32 batch, x, y, z, sorted. The package may fill it later."""

    @abstractmethod
    def layer(self, kind: Kind, weight: Tensor) -> nn.Module:
        """A convolution called with x, geometry, level; weight: (K, C_in, C_out), ours: lexicographic offsets, z fastest."""

    def enter(self, x: Tensor, geometry: Any) -> Tensor:
        """Rows of the finest level in the package's order."""
        return x

    def leave(self, y: Tensor, geometry: Any) -> Tensor:
        """Rows of the finest level in our order."""
        return y


class FunctionLayer(nn.Module):
    """A convolution whose weight is a parameter in the package's own order, and whose work is one function."""

    def __init__(self, weight: Tensor, convolve: Convolve) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self._convolve = convolve

    def forward(self, x: Tensor, geometry: Any, level: int) -> Tensor:
        """x: (rows in, C_in). Returns (rows out, C_out)."""
        weight = self.weight
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            x, weight = x.to(dtype), weight.to(dtype)
        return self._convolve(x, weight, geometry, level)


def batch_size(voxels: Tensor) -> int:
    """Scans of a batch; the last row has the last scan."""
    return int(voxels[-1, 0]) + 1


def cubic(weight: Tensor) -> Tensor:
    """(K, C_in, C_out) to (k, k, k, C_in, C_out), x first."""
    side = round(len(weight) ** (1 / 3))
    return weight.reshape(side, side, side, *weight.shape[1:])
