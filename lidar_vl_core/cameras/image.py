"""sensor_msgs/msg/Image and CompressedImage to (H, W, 3) uint8 RGB, for rclpy and rosbags messages alike."""

from io import BytesIO
from typing import NoReturn

import numpy as np

from lidar_vl_core.foundation.errors import BadImage
from lidar_vl_core.foundation.message_types import contiguous_bytes

MAX_PIXELS = 100_000_000  # four times the largest automotive camera; a header that claims more is damaged

# encoding -> channels, bytes per channel, which channels are red, green and blue (sensor_msgs/image_encodings.hpp)
_ENCODINGS = {
    "rgb8": (3, 1, (0, 1, 2)),
    "bgr8": (3, 1, (2, 1, 0)),
    "rgba8": (4, 1, (0, 1, 2)),
    "bgra8": (4, 1, (2, 1, 0)),
    "mono8": (1, 1, (0, 0, 0)),
    "mono16": (1, 2, (0, 0, 0)),
    "8UC1": (1, 1, (0, 0, 0)),
    "8UC3": (3, 1, (2, 1, 0)),  # OpenCV's order
    "8UC4": (4, 1, (2, 1, 0)),
}
_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}


def decode_image(message: object) -> np.ndarray:
    """The picture of any object with Image's or CompressedImage's attributes, as sent: (H, W, 3) uint8 RGB.

    Grey becomes three equal channels, 16 bits keep their upper 8, alpha is dropped. Raises BadImage.
    """
    if hasattr(message, "encoding"):
        return _raw(message)
    if hasattr(message, "format"):
        return _compressed(_bytes_of(message))
    _refuse("message", "an Image or a CompressedImage", type(message).__name__, "Subscribe to an image topic")


def stored_bytes(message: object) -> bytes:
    """What a picture is known again by, without decoding it: equal for equal pictures, whenever they were sent.

    Of a CompressedImage its JPEG or PNG, of an Image a line with its layout and then its bytes. Raises BadImage.
    """
    data = _bytes_of(message)
    if not hasattr(message, "encoding"):
        return bytes(data)
    layout = [getattr(message, name, None) for name in ("encoding", "width", "height", "step", "is_bigendian")]
    return " ".join(map(str, layout)).encode() + b"\n" + bytes(data)


def encode_jpeg(rgb: np.ndarray, quality: int = 90) -> bytes:
    """A JPEG of an (H, W, 3) uint8 RGB picture, for CompressedImage.data. Raises BadImage."""
    from PIL import Image

    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
        _refuse("picture", "(H, W, 3) of uint8", f"{rgb.shape} of {rgb.dtype}", "Convert it first")
    stream = BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _raw(message: object) -> np.ndarray:
    encoding = getattr(message, "encoding", None)
    if not isinstance(encoding, str) or encoding not in _ENCODINGS:
        _refuse("encoding", f"one of {', '.join(_ENCODINGS)}", repr(encoding)[:40], "Convert it with image_proc")
    channels, depth, rgb_channels = _ENCODINGS[encoding]
    height, width = _count(message, "height"), _count(message, "width")
    _require_size(width, height)
    step, row_bytes = _count(message, "step"), width * channels * depth
    if step < row_bytes:
        _refuse("step", f"at least {row_bytes} bytes for {width} pixels of {encoding}", step, "Correct the driver")
    data = _bytes_of(message)
    least, full = step * (height - 1) + row_bytes, step * height
    if not least <= len(data) <= full:
        _refuse("data", f"step * height = {full} bytes", len(data), "The message was cut or its header is wrong")
    order = ">" if getattr(message, "is_bigendian", 0) else "<"
    strides = (step, channels * depth, depth)
    pixels = np.ndarray((height, width, channels), f"{order}u{depth}", data, 0, strides)
    rgb = np.empty((height, width, 3), np.uint8)
    for target, source in enumerate(rgb_channels):
        rgb[..., target] = pixels[..., source] >> 8 if depth == 2 else pixels[..., source]
    return rgb


def _compressed(data: memoryview) -> np.ndarray:
    from PIL import Image

    kind = next((name for magic, name in _MAGIC.items() if bytes(data[: len(magic)]) == magic), None)
    if kind is None:
        found = f"{len(data)} bytes that start with {bytes(data[:8]).hex(' ') or 'nothing'}"
        _refuse("data", "a JPEG or PNG", found, "Depth and video transports are not pictures; choose the image topic")
    try:
        with Image.open(BytesIO(data), formats=[kind]) as picture:
            _require_size(*picture.size)
            if picture.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion would clip it
                grey = (np.asarray(picture) >> 8).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            return np.array(picture.convert("RGB"))
    except BadImage:
        raise
    except Exception as error:  # Pillow's decoders raise what the bytes lead them to
        raise BadImage(
            f"data: expected a whole {kind}, found {len(data)} bytes that cannot be decoded ({error}). "
            "The message was cut or damaged."
        ) from error


def _require_size(width: int, height: int) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        _refuse("size", f"1 to {MAX_PIXELS} pixels", f"{width} x {height}", "Correct the driver")


def _count(message: object, name: str) -> int:
    value = getattr(message, name, None)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < 1 << 32:
        _refuse(name, "an integer of 0 to 2^32 - 1", repr(value)[:40], "Correct the driver")
    return int(value)


def _bytes_of(message: object) -> memoryview:
    data = getattr(message, "data", None)
    try:
        return contiguous_bytes(data)
    except (TypeError, ValueError):
        _refuse("data", "contiguous bytes", type(data).__name__, "Pass the message's bytes")


def _refuse(name: str, expected: str, found: object, what_to_do: str) -> NoReturn:
    raise BadImage(f"{name}: expected {expected}, found {found}. {what_to_do}.")
