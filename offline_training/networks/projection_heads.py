"""Heads that bring point and pixel features into one space of unit vectors (OLIVINE, section 3: decoupled heads)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PROJECTION_CHANNELS = 64


class PointHead(nn.Module):
    """Linear layer and L2 norm."""

    def __init__(self, in_channels: int, out_channels: int = PROJECTION_CHANNELS) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels)

    def forward(self, features: Tensor) -> Tensor:
        """features: (R, in_channels). Returns unit rows (R, out_channels)."""
        return F.normalize(self.linear(features), dim=1)


class PointMlpHead(nn.Module):
    """Linear layers with ReLU between them, all but the first as wide as the output, and L2 norm."""

    def __init__(self, in_channels: int, out_channels: int, layers: int) -> None:
        super().__init__()
        widths = [in_channels, *[out_channels] * layers]
        linear = [nn.Linear(before, after) for before, after in pairwise(widths)]
        self.layers = nn.Sequential(linear[0], *(each for later in linear[1:] for each in (nn.ReLU(), later)))

    def forward(self, features: Tensor) -> Tensor:
        """features: (R, in_channels). Returns unit rows (R, out_channels)."""
        return F.normalize(self.layers(features), dim=1)


class PixelHead(nn.Module):
    """1x1 convolution, bilinear upsampling to the image's size (corners aligned) and L2 norm."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        """stride: pixels of the image per cell of the teacher's map."""
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, teacher_map: Tensor) -> Tensor:
        """teacher_map: (I, C, h, w). Returns unit vectors (I, out_channels, h * stride, w * stride)."""
        upsampled = F.interpolate(self.conv(teacher_map), scale_factor=self.stride, mode="bilinear", align_corners=True)
        return F.normalize(upsampled, dim=1)

    def at(self, teacher_map: Tensor, image_index: Tensor, pixel_uv: Tensor, image_size: tuple[int, int]) -> Tensor:
        """What `forward` has at single pixels, without the rest: values and gradients are equal.

        teacher_map: (I, C, h, w); image_index: (P,) int64; pixel_uv: (P, 2) column and row; image_size: height and width
        of the images. Returns (P, out_channels). Raises ValueError where the map does not belong to such images.
        """
        _, _, rows, columns = teacher_map.shape
        if (rows * self.stride, columns * self.stride) != tuple(image_size):
            raise ValueError(
                f"teacher_map: expected {self.stride} pixels per cell of images of {tuple(image_size)} pixels, found "
                f"{rows} x {columns} cells. Pass the size of the images that the teacher saw."
            )
        if len(teacher_map) * rows * columns <= 4 * len(image_index):
            return F.normalize(_upsampled_at(self.conv(teacher_map), image_index, pixel_uv, image_size), dim=1)
        sampled = _upsampled_at(
            teacher_map, image_index, pixel_uv, image_size
        )  # both are linear: the smaller comes first
        return F.normalize(F.linear(sampled, self.conv.weight.flatten(1), self.conv.bias), dim=1)


class ProjectionHeads(nn.Module):
    """Both heads of both modalities: one pair for point-pixel contrast, one for classes; coupled, both are the same."""

    def __init__(
        self,
        point_channels: int,
        teacher_channels: int,
        teacher_stride: int,
        decoupled: bool = True,
        out_channels: int = PROJECTION_CHANNELS,
    ) -> None:
        super().__init__()
        self.point = PointHead(point_channels, out_channels)
        self.pixel = PixelHead(teacher_channels, out_channels, teacher_stride)
        self.class_point = PointHead(point_channels, out_channels) if decoupled else None
        self.class_pixel = PixelHead(teacher_channels, out_channels, teacher_stride) if decoupled else None


def _upsampled_at(feature_map: Tensor, image_index: Tensor, pixel_uv: Tensor, image_size: tuple[int, int]) -> Tensor:
    """(P, C) of a map (I, C, h, w), upsampled to the images' size bilinearly with aligned corners, at single pixels."""
    _, channels, rows, columns = feature_map.shape
    cells = feature_map.permute(0, 2, 3, 1).reshape(-1, channels)  # (I * h * w, C)
    column, right, to_right = _neighbours(pixel_uv[:, 0], columns, image_size[1], cells.dtype)
    row, below, to_below = _neighbours(pixel_uv[:, 1], rows, image_size[0], cells.dtype)
    first = image_index * rows
    corners = torch.stack([(first + r) * columns + c for r in (row, below) for c in (column, right)], dim=1)
    shares = torch.stack([r * c for r in (1 - to_below, to_below) for c in (1 - to_right, to_right)], dim=1)
    return F.embedding_bag(corners, cells, per_sample_weights=shares, mode="sum")


def _neighbours(pixel: Tensor, cells: int, pixels: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Cell before, cell after and the weight of the latter, where the first and last cells lie on the border pixels."""
    scale = (cells - 1) / (pixels - 1) if pixels > 1 else 0.0
    position = pixel.to(dtype) * scale
    before = position.floor().long().clamp(max=cells - 1)
    return before, (before + 1).clamp(max=cells - 1), position - before
