"""sensor_msgs/msg/Image to RGB: every encoding of sensor_msgs/image_encodings.hpp that is a photograph."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lidar_vl_core.cameras.encodings.bayer import BAYER_ORDERS, debayered
from lidar_vl_core.cameras.encodings.message_fields import bytes_of, count_of, refuse, require_size
from lidar_vl_core.cameras.encodings.yuv import yuv_to_rgb


class _Packed(NamedTuple):
    """Pixels that lie one after another."""

    values: int  # a pixel has
    bytes_per_value: int
    to_rgb: Callable[[np.ndarray], np.ndarray]  # (H, W, values) uint8 to (H, W, 3) uint8


def _picked(*channels: int) -> Callable[[np.ndarray], np.ndarray]:
    def to_rgb(pixels: np.ndarray) -> np.ndarray:
        rgb = np.empty((*pixels.shape[:2], 3), np.uint8)
        for target, source in enumerate(channels):
            rgb[..., target] = pixels[..., source]
        return rgb

    return to_rgb


def _mosaic(order: str) -> Callable[[np.ndarray], np.ndarray]:
    def to_rgb(pixels: np.ndarray) -> np.ndarray:
        height, width = pixels.shape[:2]
        if min(height, width) < 2:
            refuse(
                "size",
                "at least 2 x 2 cells of a bayer mosaic",
                f"{width} x {height}",
                "Fix the driver that publishes it",
            )
        return debayered(pixels[..., 0], order)

    return to_rgb


def _yuv422(luma: int) -> Callable[[np.ndarray], np.ndarray]:
    """luma: which of a pixel's two bytes is Y; the other one is U, then V."""

    def to_rgb(pixels: np.ndarray) -> np.ndarray:
        if pixels.shape[1] % 2:
            refuse(
                "width",
                "an even number of pixels, two of which share U and V",
                pixels.shape[1],
                "Fix the driver that publishes it",
            )
        return yuv_to_rgb(pixels[..., luma], pixels[:, 0::2, 1 - luma], pixels[:, 1::2, 1 - luma])

    return to_rgb


_GREY, _RGB, _BGR = _picked(0, 0, 0), _picked(0, 1, 2), _picked(2, 1, 0)  # OpenCV's 8UC3 is BGR

_PACKED = {
    **{"mono8": _Packed(1, 1, _GREY), "8UC1": _Packed(1, 1, _GREY)},
    **{"rgb8": _Packed(3, 1, _RGB), "bgr8": _Packed(3, 1, _BGR), "8UC3": _Packed(3, 1, _BGR)},
    **{"rgba8": _Packed(4, 1, _RGB), "bgra8": _Packed(4, 1, _BGR), "8UC4": _Packed(4, 1, _BGR)},
    **{"mono16": _Packed(1, 2, _GREY), "16UC1": _Packed(1, 2, _GREY)},
    **{"rgb16": _Packed(3, 2, _RGB), "bgr16": _Packed(3, 2, _BGR), "16UC3": _Packed(3, 2, _BGR)},
    **{"rgba16": _Packed(4, 2, _RGB), "bgra16": _Packed(4, 2, _BGR), "16UC4": _Packed(4, 2, _BGR)},
    **{f"bayer_{order}8": _Packed(1, 1, _mosaic(order)) for order in BAYER_ORDERS},
    **{f"bayer_{order}16": _Packed(1, 2, _mosaic(order)) for order in BAYER_ORDERS},
    **{name: _Packed(2, 1, _yuv422(luma=1)) for name in ("yuv422", "uyvy")},
    **{name: _Packed(2, 1, _yuv422(luma=0)) for name in ("yuv422_yuy2", "yuyv", "yuy2")},
}
_PLANAR = {"nv12": 0, "nv21": 1}  # Y as an image, then U and V in turns at half the size; where U stands
_DEPTH_LIKE = ("32FC1", "64FC1", "32SC1", "16SC1")
_BY_NAME = {name.lower(): name for name in (*_PACKED, *_PLANAR)}  # some drivers write RGB8 or 8uc3


def decode_raw(message: object) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an Image. Of 16 bits the upper 8 are kept; 16UC1 is stretched to its own range. Raises BadImage."""
    given = getattr(message, "encoding", None)
    encoding = _BY_NAME.get(given.strip().lower()) if isinstance(given, str) else None
    if encoding is None:
        what_to_do = (
            "These are measurements, not a photograph; choose the colour image"
            if given in _DEPTH_LIKE
            else "Let the driver send one of these, or convert it with image_proc"
        )
        refuse("encoding", f"one of {', '.join(_BY_NAME.values())}", repr(given)[:40], what_to_do)
    height, width = count_of(message, "height"), count_of(message, "width")
    require_size(width, height)
    if encoding in _PLANAR:
        return _planar(message, width, height, _PLANAR[encoding])
    packed = _PACKED[encoding]
    pixels = _pixels(message, width, height, encoding, packed)
    if packed.bytes_per_value == 2:
        pixels = _stretched(pixels) if encoding == "16UC1" else (pixels >> 8).astype(np.uint8)
    return packed.to_rgb(pixels)


def _pixels(message: object, width: int, height: int, encoding: str, packed: _Packed) -> np.ndarray:
    """(H, W, values) uint8 or uint16, a view of the message's bytes."""
    depth = packed.bytes_per_value
    step, row_bytes = count_of(message, "step"), width * packed.values * depth
    if step < row_bytes:
        refuse(
            "step",
            f"at least {row_bytes} bytes for {width} pixels of {encoding}",
            step,
            "Fix the driver that publishes it",
        )
    data = bytes_of(message)
    least, full = step * (height - 1) + row_bytes, step * height
    if not least <= len(data) <= full:
        refuse("data", f"step * height = {full} bytes", len(data), "The message is truncated or its header is wrong")
    order = ">" if getattr(message, "is_bigendian", 0) else "<"
    strides = (step, packed.values * depth, depth)
    return np.ndarray((height, width, packed.values), f"{order}u{depth}", data, 0, strides)


def _stretched(values: np.ndarray) -> np.ndarray:
    """uint16 without a known full scale, as thermal cameras send it, to uint8: smallest value black, largest white."""
    least, most = int(values.min()), int(values.max())
    scale = 255.0 / max(most - least, 1)
    return np.rint((values - np.uint16(least)) * np.float32(scale)).astype(np.uint8)


def _planar(message: object, width: int, height: int, u_at: int) -> np.ndarray:
    if width % 2 or height % 2:
        refuse(
            "size",
            "even numbers of pixels for nv12 and nv21",
            f"{width} x {height}",
            "Fix the driver that publishes it",
        )
    step, data = count_of(message, "step"), bytes_of(message)
    if 2 * step == 3 * width and len(data) == step * height:  # the step of a driver that counts all planes
        step = width
    if step < width or len(data) != step * height * 3 // 2:
        expected = (
            f"{max(step, width) * height * 3 // 2} bytes for {width} x {height} pixels in rows of {max(step, width)}"
        )
        refuse("data", expected, len(data), "The message is truncated or its header is wrong")
    rows = np.frombuffer(data, np.uint8).reshape(-1, step)[:, :width]
    chroma = rows[height:].reshape(height // 2, width // 2, 2)
    return yuv_to_rgb(rows[:height], chroma[..., u_at], chroma[..., 1 - u_at])
