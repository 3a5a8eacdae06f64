"""Maps of ids as PNG: the same map gives the same bytes, and checksums are verified without decompressing."""

import zlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from lidar_vl_core.cameras.encodings.message_fields import MAX_PIXELS
from lidar_vl_core.foundation.errors import BadLabels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LEVEL = 3  # of zlib: half the time of Pillow's own 6, a few percent larger on label maps


@dataclass(frozen=True)
class PngHead:
    """Size and texts of a PNG."""

    shape: tuple[int, int]  # height, width
    bits: int
    text: dict[str, str]


def encode_ids(ids: np.ndarray, colors_rgb: np.ndarray | None = None, text: dict[str, str] | None = None) -> bytes:
    """(H, W) uint8 or uint16 -> PNG; colors_rgb (256, 3) uint8: a palette that shows 8-bit ids in colours."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    picture = Image.fromarray(ids)
    if colors_rgb is not None:
        picture.putpalette(colors_rgb.tobytes())  # all 256, or Pillow packs small palettes into fewer bits
    info = PngInfo()
    for key, value in (text or {}).items():
        info.add_text(key, value)
    stream = BytesIO()
    picture.save(stream, "PNG", pnginfo=info, compress_level=_LEVEL)
    return stream.getvalue()


def decode_ids(content: bytes, origin: str) -> np.ndarray:
    """PNG of one channel, or with a palette -> (H, W) uint8 or uint16 ids. Raises BadLabels, naming the origin."""
    from PIL import Image

    try:
        with Image.open(BytesIO(content), formats=["PNG"]) as picture:
            if picture.mode not in ("L", "P", "I;16", "1"):
                raise BadLabels(
                    f"{origin}: expected one id per pixel, found an image of mode {picture.mode}. "
                    "Colours are not labels: write class ids as 8-bit grey."
                )
            if picture.width * picture.height > MAX_PIXELS:
                raise BadLabels(
                    f"{origin}: expected at most {MAX_PIXELS} pixels, found {picture.width}x{picture.height}. It is damaged."
                )
            ids = np.array(picture)
    except BadLabels:
        raise
    except Exception as error:  # Pillow's decoders raise various errors for bad bytes
        raise BadLabels(
            f"{origin}: expected an intact PNG, found: {error}. The file is damaged or truncated."
        ) from error
    return ids.astype(np.uint8) if ids.dtype == np.bool_ else ids


def read_head(content: bytes) -> PngHead | None:
    """Size and texts of a complete PNG whose every chunk has a valid checksum; None for any other bytes."""
    if content[:8] != _SIGNATURE:
        return None
    at, first, text = 8, b"", {}
    while at + 12 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        checksum = content[at + 8 + size : at + 12 + size]
        if zlib.crc32(body, zlib.crc32(kind)).to_bytes(4, "big") != checksum:
            return None
        first = first or body
        if kind == b"tEXt":
            key, _, value = body.partition(b"\0")
            text[key.decode("latin-1")] = value.decode("latin-1")
        at += 12 + size
        if kind == b"IEND":
            width, height = int.from_bytes(first[:4], "big"), int.from_bytes(first[4:8], "big")
            return PngHead((height, width), first[8], text) if at == len(content) and len(first) == 13 else None
    return None
