"""sensor_msgs/msg/CompressedImage to RGB: the image type is read from the first bytes, whatever `format` says."""

import re
import warnings
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.cameras.encodings.bayer import debayered
from lidar_vl_core.cameras.encodings.message_fields import MAX_PIXELS, bytes_of, refuse, require_size
from lidar_vl_core.foundation.errors import BadImage

if TYPE_CHECKING:
    from PIL import Image

_STRIP_ROWS = 512
_MAGIC = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("WEBP", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("TIFF", re.compile(rb"II\*\0|MM\0\*")),
)
_MOSAIC = re.compile(r"bayer_(rggb|bggr|gbrg|grbg)(8|16)\b")  # image_transport compresses the bare cells


def decode_compressed(message: object) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a CompressedImage that is a JPEG, PNG, WebP or TIFF. Raises BadImage."""
    from PIL import Image, UnidentifiedImageError

    said, data = str(getattr(message, "format", "")), bytes_of(message)
    kind = _kind_of(said, data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of sizes that require_size() refuses and of tags that it skips
            with Image.open(BytesIO(data), formats=[kind]) as picture:
                require_size(*picture.size)
                if picture.mode.startswith(("I", "F")):  # 16-bit grey, or wider; Pillow's own conversion would clip it
                    return _of_grey(_upper_bits(np.asarray(picture), picture.mode), said)
                if picture.mode == "L":
                    return _of_grey(np.asarray(picture), said)
                return _rgb_of(picture)
    except BadImage:
        raise
    except Image.DecompressionBombError:
        refuse("size", f"1 to {MAX_PIXELS} pixels", "more", "Fix the driver that publishes it")
    except UnidentifiedImageError:
        refuse(
            "data",
            f"a complete {kind}",
            f"{len(data)} bytes that only begin like one",
            "The message was cut or damaged",
        )
    except Exception as error:  # Pillow's decoders raise what the bytes lead them to
        raise BadImage(
            f"data: expected a complete {kind}, found {len(data)} bytes that cannot be decoded ({error}). "
            "The message was cut or damaged."
        ) from error


def _kind_of(said: str, data: memoryview) -> str:
    if "compresseddepth" in said.lower():
        refuse("format", "an image", repr(said), "This is a depth image, not a photograph; choose the colour image")
    start = bytes(data[:12])
    for kind, magic in _MAGIC:
        if magic.match(start):
            return kind
    found = f"{len(data)} bytes of format {said[:40]!r} that start with {start[:8].hex(' ') or 'nothing'}"
    refuse(
        "data",
        "a JPEG, PNG, WebP or TIFF",
        found,
        "Video transports are not supported; record the raw or compressed topic",
    )


def _rgb_of(picture: "Image.Image") -> np.ndarray:
    """(H, W, 3) uint8, in strips: a whole one would lie in memory four times, with Pillow's own copies."""
    width, height = picture.size
    rgb = np.empty((height, width, 3), np.uint8)
    picture.load()
    for start in range(0, height, _STRIP_ROWS):
        stop = min(start + _STRIP_ROWS, height)
        rgb[start:stop] = np.asarray(picture.crop((0, start, width, stop)).convert("RGB"))
    return rgb


def _upper_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """(H, W) uint8 of 16-bit grey values."""
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        refuse(
            "data",
            "an image of 8 or 16 bits a pixel",
            f"values of Pillow's mode {mode}, from {values.min()} to {values.max()}",
            "These are measurements, not a photograph; choose the colour image",
        )
    return (values >> 8).astype(np.uint8)


def _of_grey(grey: np.ndarray, said: str) -> np.ndarray:
    mosaic = _MOSAIC.match(said)
    if mosaic and min(grey.shape) > 1:
        return debayered(grey, mosaic[1])
    return np.repeat(grey[..., None], 3, axis=2)
