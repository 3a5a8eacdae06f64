"""Images embedded in a page that needs no other file."""

import base64
import io
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def png_image(picture: "Image", alternative: str) -> str:
    """An <img> that loses nothing."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return _img("png", buffer, alternative)


def jpeg_image(picture: "Image", alternative: str) -> str:
    """An <img> of photographs."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88, subsampling=0)  # full chroma, or the coloured points smear
    return _img("jpeg", buffer, alternative)


def _img(kind: str, buffer: io.BytesIO, alternative: str) -> str:
    content = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(alternative)}" src="data:image/{kind};base64,{content}">'
