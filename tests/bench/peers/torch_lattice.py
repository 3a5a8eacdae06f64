"""torch-lattice 0.5: a fork of torchsparse with other semantics; CUDA alone, its wheel is for Python 3.14."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tests.bench.peers.peer import FunctionLayer, Kind, Peer


@dataclass
class LatticeGeometry:
    """A sparse tensor of each level without its numbers; all share a coordinate manager."""

    levels: dict[int, Any]


class TorchLattice(Peer):
    """torch_lattice.nn.functional.conv3d."""

    name, modules = "torch-lattice", ("torch_lattice",)

    def geometry(self, voxels: Tensor) -> LatticeGeometry:
        """Nothing is found yet: the layers do it, once."""
        from torch_lattice import SparseTensor

        return LatticeGeometry({0: SparseTensor(voxels[:, :1].float(), voxels.contiguous())})

    def layer(self, kind: Kind, weight: Tensor) -> nn.Module:
        """Its offsets are lexicographic with z fastest, as ours."""
        return FunctionLayer(weight, _of_kind(kind))


def _of_kind(kind: Kind) -> Any:
    def convolve(x: Tensor, weight: Tensor, geometry: LatticeGeometry, level: int) -> Tensor:
        from torch_lattice.nn.functional import conv3d

        y = conv3d(
            geometry.levels[level + 1 if kind == "up" else level].replace(feats=x),
            weight,
            kernel_size=3 if kind == "submanifold" else 2,
            stride=1 if kind == "submanifold" else 2,
            padding=1 if kind == "submanifold" else 0,
            subm=kind == "submanifold",
            transposed=kind == "up",
            training=weight.requires_grad,
        )
        if kind == "down":
            geometry.levels[level + 1] = y
        return y.feats

    return convolve


TORCH_LATTICE = TorchLattice()
