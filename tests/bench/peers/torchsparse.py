"""torchsparse 2: TorchSparse++ from 2.1 on, which runs on CUDA alone; 2.0 counts the batch last."""

import importlib.metadata
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from offline_training.networks.sparse.torchsparse_conv import to_torchsparse_order
from tests.bench.peers.peer import FunctionLayer, Kind, Peer


@dataclass
class TorchSparseGeometry:
    """A sparse tensor of each level without its numbers; all share the kernel maps that were found."""

    levels: dict[int, Any]


class TorchSparse(Peer):
    """torchsparse.nn.functional.conv3d."""

    name, modules = "torchsparse++", ("torchsparse",)

    def geometry(self, voxels: Tensor) -> TorchSparseGeometry:
        """Nothing is found yet: the layers do it, once."""
        from torchsparse import SparseTensor

        is_old = importlib.metadata.version("torchsparse").startswith("2.0")
        coords = voxels.roll(-1, dims=1).contiguous() if is_old else voxels.contiguous()
        return TorchSparseGeometry({0: SparseTensor(coords=coords, feats=voxels[:, :1].float())})

    def layer(self, kind: Kind, weight: Tensor) -> nn.Module:
        """Odd kernels have x fastest there, even ones z."""
        own = to_torchsparse_order(weight) if kind == "submanifold" else weight
        return FunctionLayer(own, _of_kind(kind))


def _of_kind(kind: Kind) -> Any:
    def convolve(x: Tensor, weight: Tensor, geometry: TorchSparseGeometry, level: int) -> Tensor:
        from torchsparse.nn.functional import conv3d

        y = conv3d(
            _with(geometry.levels[level + 1 if kind == "up" else level], x),
            weight,
            kernel_size=3 if kind == "submanifold" else 2,
            stride=1 if kind == "submanifold" else 2,
            transposed=kind == "up",
            training=weight.requires_grad,
        )
        if kind == "down":
            geometry.levels[level + 1] = y
        return y.feats

    return convolve


def _with(level: Any, x: Tensor) -> Any:
    from torchsparse import SparseTensor

    filled = SparseTensor(coords=level.coords, feats=x, stride=level.stride, spatial_range=level.spatial_range)
    filled._caches = level._caches
    return filled


TORCHSPARSE = TorchSparse()
