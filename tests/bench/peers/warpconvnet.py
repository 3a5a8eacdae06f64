"""WarpConvNet 1.8: CUDA kernels chosen by measurement at the first run; offsets are lexicographic with z fastest, as ours."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tests.bench.peers.peer import FunctionLayer, Kind, Peer, batch_size


@dataclass
class WarpGeometry:
    """The package's voxels of each level without their numbers; kernel maps are kept with them."""

    levels: dict[int, Any]


class WarpConvNet(Peer):
    """warpconvnet.nn.functional.sparse_conv.spatially_sparse_conv."""

    name, modules = "WarpConvNet", ("warpconvnet", "warp")

    def geometry(self, voxels: Tensor) -> WarpGeometry:
        """Nothing is found yet: the layers do it, once."""
        from warpconvnet.geometry.types.voxels import Voxels

        points = torch.bincount(voxels[:, 0], minlength=batch_size(voxels)).cpu()
        offsets = torch.cat([torch.zeros(1, dtype=torch.int32), points.cumsum(0).int()])
        return WarpGeometry({0: Voxels(voxels[:, 1:].contiguous(), voxels[:, :1].float(), offsets=offsets)})

    def layer(self, kind: Kind, weight: Tensor) -> nn.Module:
        """Weights are (K, C_in, C_out) there, too."""
        return FunctionLayer(weight, _of_kind(kind))


def _of_kind(kind: Kind) -> Any:
    def convolve(x: Tensor, weight: Tensor, geometry: WarpGeometry, level: int) -> Tensor:
        from warpconvnet.nn.functional.sparse_conv import spatially_sparse_conv

        read = geometry.levels[level + 1 if kind == "up" else level]
        y = spatially_sparse_conv(
            read.replace(batched_features=x),
            weight,
            kernel_size=3 if kind == "submanifold" else 2,
            stride=1 if kind == "submanifold" else 2,
            transposed=kind == "up",
            output_spatially_sparse_tensor=geometry.levels[level] if kind == "up" else None,
            fwd_algo="auto",
            dgrad_algo="auto",
            wgrad_algo="auto",
        )
        if kind == "down":
            geometry.levels[level + 1] = y
        return y.feature_tensor

    return convolve


WARPCONVNET = WarpConvNet()
