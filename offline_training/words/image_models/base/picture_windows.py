"""An image processed in overlapping windows, their features averaged cell by cell.

Sizes are whole cells: nothing is interpolated.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.base.picture_resize import resized_rgb

_WINDOWS_AT_ONCE = 16


@dataclass(frozen=True)
class WindowSizes:
    """The size at which an image is processed, and the size and stride of its windows, in pixels."""

    short_side_px: int  # of the resized image
    window_px: int  # longer than a side: the whole side
    stride_px: int
    cell_px: int  # of the image tower

    def __post_init__(self) -> None:
        """Raise BadConfig for windows that are not whole cells or leave gaps."""
        if self.window_px < self.cell_px or self.window_px % self.cell_px:
            raise BadConfig(
                f"window_px: expected a multiple of the model's cells of {self.cell_px} px, found {self.window_px}. "
                f"Use {max(round(self.window_px / self.cell_px), 1) * self.cell_px}."
            )
        if not self.cell_px <= self.stride_px <= self.window_px:
            raise BadConfig(
                f"stride_px: expected {self.cell_px} (a cell) to {self.window_px} (a window), found {self.stride_px}. "
                "Half a window is usual."
            )
        if self.short_side_px < self.cell_px:
            raise BadConfig(
                f"short_side_px: expected at least a cell of {self.cell_px} px, found {self.short_side_px}. 336 is usual."
            )


def scaled_picture(image: np.ndarray, sizes: WindowSizes) -> np.ndarray:
    """Scale (H, W, 3) uint8 RGB bilinearly to scaled_size()."""
    return resized_rgb(image, scaled_size(image.shape[0], image.shape[1], sizes))


def scaled_size(height: int, width: int, sizes: WindowSizes) -> tuple[int, int]:
    """Height and width with the configured short side, both rounded to whole cells."""
    scale = sizes.short_side_px / min(height, width)
    rows, columns = (max(round(side * scale / sizes.cell_px), 1) * sizes.cell_px for side in (height, width))
    return rows, columns


def read_in_windows(picture: Tensor, read: Callable[[Tensor], Tensor], sizes: WindowSizes) -> Tensor:
    """(3, H, W) -> (C, h, w), each cell the mean over all windows that contain it.

    read: (B, 3, window, window) -> (B, C, cells, cells). H and W are multiples of the cell.
    """
    cell = sizes.cell_px
    height, width = (min(sizes.window_px, side) // cell for side in picture.shape[1:])
    rows, columns = picture.shape[1] // cell, picture.shape[2] // cell
    starts = [(top, left) for top in _starts(rows, height, sizes) for left in _starts(columns, width, sizes)]
    windows = [
        picture[:, top * cell : (top + height) * cell, left * cell : (left + width) * cell] for top, left in starts
    ]
    answers = torch.cat(
        [
            read(torch.stack(windows[first : first + _WINDOWS_AT_ONCE]))
            for first in range(0, len(windows), _WINDOWS_AT_ONCE)
        ]
    )
    total = answers.new_zeros((answers.shape[1], rows, columns))
    count = answers.new_zeros((rows, columns))
    for (top, left), answer in zip(starts, answers, strict=True):
        total[:, top : top + height, left : left + width] += answer
        count[top : top + height, left : left + width] += 1
    return total / count


def _starts(cells: int, window: int, sizes: WindowSizes) -> list[int]:
    """First cells of the windows along a side: one stride apart, rounded down to cells, the last at the border."""
    last = cells - window
    steps = range(0, last * sizes.cell_px, sizes.stride_px)
    return [*(step // sizes.cell_px for step in steps), last]
