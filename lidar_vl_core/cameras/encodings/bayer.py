"""Colour from a Bayer mosaic of red, green and blue cells, by bilinear interpolation."""

import numpy as np

# What the top left 2 x 2 cells see, row by row, as sensor_msgs/image_encodings.hpp names them.
BAYER_ORDERS = ("rggb", "bggr", "gbrg", "grbg")
_CHANNEL = {"r": 0, "g": 1, "b": 2}


def debayered(mosaic: np.ndarray, order: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a mosaic (H, W) uint8 of at least 2 x 2 cells; order: one of BAYER_ORDERS."""
    height, width = mosaic.shape
    rgb = np.empty((height, width, 3), np.uint8)
    around = np.pad(mosaic, 1, mode="reflect").astype(np.uint16)  # reflected, so that the colours go on alternating
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):

        def cells(down: int, right: int, row: int = row, column: int = column) -> np.ndarray:
            """The cells so far from those of this row and column, every second one."""
            top, left = 1 + row + down, 1 + column + right
            return around[top : top + height - row : 2, left : left + width - column : 2]

        colour = _CHANNEL[order[2 * row + column]]
        beside = _CHANNEL[order[2 * row + 1 - column]]
        above = _CHANNEL[order[2 * (1 - row) + column]]
        here = rgb[row::2, column::2]
        here[..., colour] = mosaic[row::2, column::2]
        if beside != above:  # a green cell
            here[..., beside] = (cells(0, -1) + cells(0, 1) + 1) >> 1
            here[..., above] = (cells(-1, 0) + cells(1, 0) + 1) >> 1
        else:
            here[..., beside] = (cells(0, -1) + cells(0, 1) + cells(-1, 0) + cells(1, 0) + 2) >> 2
            here[..., 2 - colour] = (cells(-1, -1) + cells(-1, 1) + cells(1, -1) + cells(1, 1) + 2) >> 2
    return rgb
