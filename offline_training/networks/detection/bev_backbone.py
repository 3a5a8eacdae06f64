"""The 2D network over the map seen from above (Yan et al., SECOND, 2018), with OpenPCDet's layers and names."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

_NORM_EPSILON, _NORM_MOMENTUM = 1e-3, 0.01


@dataclass(frozen=True)
class BevShape:
    """Sizes of the 2D network, one number per block; the defaults are those of SECOND, PV-RCNN and CenterPoint."""

    layers: tuple[int, ...] = (5, 5)  # 3x3 convolutions behind the first one of a block
    strides: tuple[int, ...] = (1, 2)
    widths: tuple[int, ...] = (128, 256)
    up_strides: tuple[int, ...] = (1, 2)  # that bring each block's output back to one size
    up_widths: tuple[int, ...] = (256, 256)

    def __post_init__(self) -> None:
        sizes = (self.layers, self.strides, self.widths, self.up_strides, self.up_widths)
        if len({len(numbers) for numbers in sizes}) != 1 or not self.layers:
            raise ValueError(f"bev shape: expected one number per block in each list, found {sizes}")


class BevBackbone(nn.Module):
    """Blocks of growing stride, each brought back to the size of the map, side by side."""

    def __init__(self, in_channels: int, shape: BevShape) -> None:
        super().__init__()
        self.blocks, self.deblocks = nn.ModuleList(), nn.ModuleList()
        sizes = zip(shape.layers, shape.strides, shape.widths, shape.up_strides, shape.up_widths, strict=True)
        for layers, stride, width, up_stride, up_width in sizes:
            self.blocks.append(_block(in_channels, width, stride, layers))
            up = nn.ConvTranspose2d(width, up_width, up_stride, stride=up_stride, bias=False)
            self.deblocks.append(nn.Sequential(up, _norm(up_width), nn.ReLU()))
            in_channels = width
        self.out_channels = sum(shape.up_widths)

    def forward(self, bev_map: Tensor) -> Tensor:
        """bev_map: (S, C, H, W) with H and W in multiples of the strides. Returns (S, out_channels, H, W)."""
        ups, x = [], bev_map
        for block, deblock in zip(self.blocks, self.deblocks, strict=True):
            x = block(x)
            ups.append(deblock(x))
        return torch.cat(ups, dim=1)


def _block(in_channels: int, width: int, stride: int, layers: int) -> nn.Sequential:
    first = nn.Conv2d(in_channels, width, 3, stride=stride, bias=False)
    parts: list[nn.Module] = [nn.ZeroPad2d(1), first, _norm(width), nn.ReLU()]
    for _ in range(layers):
        parts += [nn.Conv2d(width, width, 3, padding=1, bias=False), _norm(width), nn.ReLU()]
    return nn.Sequential(*parts)


def _norm(channels: int) -> nn.Module:
    return cast(nn.Module, nn.BatchNorm2d(channels, eps=_NORM_EPSILON, momentum=_NORM_MOMENTUM))
