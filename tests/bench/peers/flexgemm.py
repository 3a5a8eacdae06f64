"""FlexGEMM: Triton's kernels over hash tables in CUDA. It has no inverse convolution, a tenth of the work: ours stands there."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from offline_training.networks.sparse.convolution import sparse_inverse_conv
from offline_training.networks.sparse.maps import SparseMaps
from tests.bench.peers.peer import FunctionLayer, Kind, Peer, batch_size, cubic


@dataclass
class FlexGeometry:
    """Our levels, since its strided convolution takes the coordinates of its output, and what it kept of each."""

    maps: SparseMaps
    scans: int
    kept: dict[tuple[str, int], Any] = field(default_factory=dict)


class FlexGemm(Peer):
    """flex_gemm.ops.spconv."""

    name, modules = "FlexGEMM", ("flex_gemm",)

    def geometry(self, voxels: Tensor) -> FlexGeometry:
        """Coordinates of all levels; neighbours are found by the first layer of each."""
        maps = SparseMaps(voxels)
        _ = maps.tables
        return FlexGeometry(maps, batch_size(voxels))

    def layer(self, kind: Kind, weight: Tensor) -> nn.Module:
        """Its weights are (C_out, x, y, z, C_in)."""
        if kind == "up":
            return FunctionLayer(weight, lambda x, w, g, level: sparse_inverse_conv(x, w, g.maps.child[level]))
        return FunctionLayer(cubic(weight).permute(4, 0, 1, 2, 3).contiguous(), _of_kind(kind))


def _of_kind(kind: Kind) -> Any:
    def convolve(x: Tensor, weight: Tensor, geometry: FlexGeometry, level: int) -> Tensor:
        from flex_gemm.ops.spconv import sparse_conv3d, sparse_submanifold_conv3d

        coords = geometry.maps.coords[level]
        extent = [int(size) + 1 for size in coords[:, 1:].amax(dim=0)]
        shape = torch.Size([geometry.scans, x.shape[1], *extent])
        # Its way back reads the bias's gradient whether there is one or not.
        bias = torch.zeros(len(weight), dtype=x.dtype, device=x.device, requires_grad=torch.is_grad_enabled())
        kept = geometry.kept.get((kind, level))
        if kind == "submanifold":
            y, cache = sparse_submanifold_conv3d(x.contiguous(), coords, shape, weight, bias, kept)
        else:
            out = geometry.maps.coords[level + 1]
            y, *_, cache = sparse_conv3d(x.contiguous(), coords, shape, weight, bias, kept, out, stride=(2, 2, 2))
        geometry.kept[kind, level] = cache
        return y

    return convolve


FLEXGEMM = FlexGemm()
