"""YCbCr as cameras send it to RGB: BT.601 with Y in 16..235 and U, V in 16..240, as OpenCV and cv_bridge read these encodings."""

import numpy as np

_SHIFT = 5  # products are kept in 1/32 of a level, which leaves room in 16 bits
_LEVEL = np.arange(256)


def _products(factor: float, zero: int) -> np.ndarray:
    return np.rint((1 << _SHIFT) * factor * (_LEVEL - zero)).astype(np.int16)


_LUMA = _products(255 / 219, 16) + np.int16(1 << (_SHIFT - 1))  # rounds
_RED_V, _GREEN_V = _products(1.402 * 255 / 224, 128), _products(-0.714136 * 255 / 224, 128)
_GREEN_U, _BLUE_U = _products(-0.344136 * 255 / 224, 128), _products(1.772 * 255 / 224, 128)


def yuv_to_rgb(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB of y (H, W) with u and v of (H or H/2, W or W/2), all uint8; each chroma value serves its block."""
    height, width = y.shape
    luma, rgb = _LUMA[y], np.empty((height, width, 3), np.uint8)
    rows, columns = height // u.shape[0], width // u.shape[1]
    for channel, chroma in enumerate((_RED_V[v], _GREEN_U[u] + _GREEN_V[v], _BLUE_U[u])):
        for row in range(rows):
            for column in range(columns):
                level = luma[row::rows, column::columns] + chroma
                level >>= _SHIFT
                rgb[row::rows, column::columns, channel] = np.clip(level, 0, 255, out=level)
    return rgb
