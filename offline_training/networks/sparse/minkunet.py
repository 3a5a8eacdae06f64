"""MinkUNet: the sparse residual U-Net of Choy et al. (CVPR 2019)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from offline_training.networks.base.point_backbone import BackboneInputs, PointBackbone
from offline_training.networks.base.voxel_norm import VoxelNorm
from offline_training.networks.sparse.convolution import DownConv, SubmanifoldConv, UpConv, WideConv
from offline_training.networks.sparse.inputs import SparseInputs
from offline_training.networks.sparse.maps import SparseMaps
from offline_training.networks.sparse.minkunet_shapes import MinkUNetShape

LEVELS = 5  # resolutions of every MinkUNet


class MinkUNet(PointBackbone):
    """Features per voxel to scores per voxel; needs kernel maps of five levels."""

    def __init__(self, shape: MinkUNetShape, in_channels: int, out_channels: int | None) -> None:
        """out_channels: scores of the head; None = no head."""
        super().__init__()
        if len(shape.planes) != 8 or len(shape.blocks) != 8:
            raise ValueError(
                f"planes and blocks: expected eight numbers each, found {len(shape.planes)}, {len(shape.blocks)}"
            )
        self.shape = shape
        self.in_channels = in_channels
        widths = [in_channels] + [shape.stem] * shape.stem_convs
        self.stem = nn.ModuleList(SubmanifoldUnit(*pair, shape.stem_kernel) for pair in pairwise(widths))
        skips = [shape.stem, *shape.planes[:3]]  # widths that the way up meets again, finest first
        self.down = nn.ModuleList(
            DownStage(skips[level], shape.planes[level], shape.blocks[level]) for level in range(4)
        )
        width = shape.planes[3]
        self.up = nn.ModuleList()
        for stage, level in enumerate((3, 2, 1, 0), start=4):
            self.up.append(UpStage(width, skips[level], shape.planes[stage], shape.blocks[stage]))
            width = shape.planes[stage]
        self.feature_channels = width
        self.head = None if out_channels is None else nn.Linear(width, out_channels, bias=shape.head_bias)

    def point_features(self, inputs: BackboneInputs) -> Tensor:
        """What the head reads: (N_0, planes[7]). Raises TypeError for the inputs of another kind of network."""
        if not isinstance(inputs, SparseInputs):
            raise TypeError(f"expected SparseInputs, found {type(inputs).__name__}")
        x, maps = inputs.features, inputs.maps
        for unit in self.stem:
            x = unit(x, maps, 0)
        skips = [x]
        for level, down in enumerate(self.down):
            x = down(x, maps, level)
            skips.append(x)
        for level, up in zip((3, 2, 1, 0), self.up, strict=True):
            x = up(x, skips[level], maps, level)
        return x


class SubmanifoldUnit(nn.Module):
    """3^3 or 5^3 convolution, norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = WideConv(in_channels, out_channels) if kernel == 5 else SubmanifoldConv(in_channels, out_channels)
        self.norm = VoxelNorm(out_channels)

    def forward(self, x: Tensor, maps: SparseMaps, level: int) -> Tensor:
        """x: (N_level, C_in). Returns (N_level, C_out)."""
        return torch.relu(self.norm(self.conv(x, maps, level)))


class BasicBlock(nn.Module):
    """Two 3^3 convolutions around a shortcut, which is a linear layer where the widths differ."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = SubmanifoldConv(in_channels, out_channels)
        self.norm1 = VoxelNorm(out_channels)
        self.conv2 = SubmanifoldConv(out_channels, out_channels)
        self.norm2 = VoxelNorm(out_channels)
        self.shortcut = Shortcut(in_channels, out_channels) if in_channels != out_channels else None

    def forward(self, x: Tensor, maps: SparseMaps, level: int) -> Tensor:
        """x: (N_level, C_in). Returns (N_level, C_out)."""
        y = torch.relu(self.norm1(self.conv1(x, maps, level)))
        y = self.norm2(self.conv2(y, maps, level))
        return torch.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Shortcut(nn.Module):
    """Linear layer and norm that bring a block's input to the width of its output."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.norm = VoxelNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C_in). Returns (N, C_out)."""
        return self.norm(self.linear(x))


class DownStage(nn.Module):
    """Strided convolution to the next level, then residual blocks there."""

    def __init__(self, in_channels: int, out_channels: int, blocks: int) -> None:
        super().__init__()
        self.conv = DownConv(in_channels, in_channels)
        self.norm = VoxelNorm(in_channels)
        self.blocks = _blocks(in_channels, out_channels, blocks)

    def forward(self, x: Tensor, maps: SparseMaps, level: int) -> Tensor:
        """x: (N_level, C_in). Returns (N_{level+1}, C_out)."""
        x = torch.relu(self.norm(self.conv(x, maps, level)))
        for block in self.blocks:
            x = block(x, maps, level + 1)
        return x


class UpStage(nn.Module):
    """Inverse convolution back to the finer level, joined with what the way down had there, then residual blocks."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, blocks: int) -> None:
        super().__init__()
        self.conv = UpConv(in_channels, out_channels)
        self.norm = VoxelNorm(out_channels)
        self.blocks = _blocks(out_channels + skip_channels, out_channels, blocks)

    def forward(self, x: Tensor, skip: Tensor, maps: SparseMaps, level: int) -> Tensor:
        """x: (N_{level+1}, C_in), skip: (N_level, C_skip). Returns (N_level, C_out)."""
        x = torch.relu(self.norm(self.conv(x, maps, level)))
        x = torch.cat([x, skip], dim=1)
        for block in self.blocks:
            x = block(x, maps, level)
        return x


def _blocks(in_channels: int, out_channels: int, count: int) -> nn.ModuleList:
    widths = [in_channels] + [out_channels] * count
    return nn.ModuleList(BasicBlock(*pair) for pair in pairwise(widths))
