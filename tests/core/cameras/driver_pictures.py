"""Images as messages of drivers: raw, compressed, and in YUV of even colour."""

from io import BytesIO
from types import SimpleNamespace

import numpy as np
from PIL import Image

RGB = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)


def raw(encoding, pixels, padding=0, is_bigendian=0, **changes):
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(3, -1)
    data = np.pad(rows, ((0, 0), (0, padding))).tobytes()
    message = SimpleNamespace(
        height=3, width=5, encoding=encoding, is_bigendian=is_bigendian, step=rows.shape[1] + padding, data=data
    )
    vars(message).update(changes)
    return message


def compressed(data, name="jpeg"):
    return SimpleNamespace(format=name, data=data)


def stored(picture, kind, **options):
    stream = BytesIO()
    Image.fromarray(picture).save(stream, kind, **options)
    return stream.getvalue()


def png(picture):
    return stored(picture, "PNG")


def yuv(encoding, y=76, u=84, v=84, **changes):
    """A 4 x 2 picture of one colour."""
    rows = {"uyvy": [u, y, v, y], "yuv422": [u, y, v, y], "nv12": [y] * 4, "nv21": [y] * 4}
    row = rows.get(encoding, [y, u, y, v]) * (1 if encoding.startswith("nv") else 2)
    planes = {"nv12": bytes([u, v, u, v]), "nv21": bytes([v, u, v, u])}.get(encoding, b"")
    message = {"height": 2, "width": 4, "encoding": encoding, "step": len(row), "data": bytes(row) * 2 + planes}
    return SimpleNamespace(**message | changes)
