"""spconv 2.3, and packages that are called like it."""

import importlib
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tests.bench.peers.peer import Kind, Peer, batch_size, cubic


@dataclass
class SpconvGeometry:
    """Voxels of each level in the package's order, and the pairs that it found."""

    indices: dict[int, Tensor]
    shapes: dict[int, list[int]]
    scans: int
    pairs: dict[str, Any] = field(default_factory=dict)


class SpconvLike(Peer):
    """Layers of MODULE.pytorch. Pairs of strided convolutions are found anew in each run: the package refuses kept ones.

    On a CPU it is right with one thread alone: with more its additions race.
    """

    keeps_maps = False
    trains_on = ("cuda",)

    def __init__(self, name: str, module: str) -> None:
        self.name, self.modules, self._module = name, (module,), module

    def geometry(self, voxels: Tensor) -> SpconvGeometry:
        """Nothing is found yet: the layers do it."""
        # A multiple of 32 in every axis, so that four halvings are exact and coarse shapes are those of the whole.
        shape = [int(size) // 32 * 32 + 32 for size in voxels[:, 1:].amax(dim=0)]
        return SpconvGeometry({0: voxels.contiguous()}, {0: shape}, batch_size(voxels))

    def layer(self, kind: Kind, weight: Tensor) -> nn.Module:
        """One layer of the package, whose weight is (C_out, x, y, z, C_in)."""
        return _Layer(importlib.import_module(f"{self._module}.pytorch"), kind, weight)


class _Layer(nn.Module):
    def __init__(self, package: Any, kind: Kind, weight: Tensor) -> None:
        super().__init__()
        self._package, self._kind = package, kind
        self.weight = nn.Parameter(cubic(weight.detach()).permute(4, 0, 1, 2, 3).contiguous())
        self._layers: dict[int, Any] = {}

    def forward(self, x: Tensor, geometry: SpconvGeometry, level: int) -> Tensor:
        """x: (rows in, C_in). Returns (rows out, C_out)."""
        read = level + 1 if self._kind == "up" else level
        if self._kind == "down":
            geometry.pairs.pop(f"down{level}", None)
        sparse = self._package.SparseConvTensor(
            x, geometry.indices[read], geometry.shapes[read], geometry.scans, indice_dict=geometry.pairs
        )
        y = self._of_level(level)(sparse)
        geometry.pairs.update(y.indice_dict)
        if self._kind == "down":
            geometry.indices[level + 1], geometry.shapes[level + 1] = y.indices, list(y.spatial_shape)
            for coarser in range(level + 1, 8):  # the order of the rows that these pairs belong to may have changed
                geometry.pairs.pop(f"subm{coarser}", None)
        return y.features

    def _of_level(self, level: int) -> Any:
        """The package ties a layer to the name of its pairs; the weight is shared."""
        if level not in self._layers:
            c_out, *_, c_in = self.weight.shape
            # On a CPU only this algorithm exists.
            more = {} if self.weight.is_cuda else {"algo": self._package.ConvAlgo.Native}
            if self._kind == "submanifold":
                layer = self._package.SubMConv3d(c_in, c_out, 3, bias=False, indice_key=f"subm{level}", **more)
            elif self._kind == "down":
                layer = self._package.SparseConv3d(c_in, c_out, 2, 2, bias=False, indice_key=f"down{level}", **more)
            else:
                layer = self._package.SparseInverseConv3d(c_in, c_out, 2, f"down{level}", bias=False, **more)
            self._layers[level] = layer
        layer = self._layers[level]
        layer.weight = self.weight
        return layer.train(self.training and torch.is_grad_enabled())


SPCONV = SpconvLike("spconv", "spconv")
