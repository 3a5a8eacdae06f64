"""What every image message must have, raw or compressed: a plausible size, and bytes."""

from typing import NoReturn

import numpy as np

from lidar_vl_core.foundation.errors import BadImage
from lidar_vl_core.foundation.message_types import contiguous_bytes

MAX_PIXELS = 64_000_000  # more than twice the largest automotive camera; a header that claims more is damaged


def require_size(width: int, height: int) -> None:
    """Raise BadImage for an image without pixels, or with more than any camera gives."""
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        refuse("size", f"1 to {MAX_PIXELS} pixels", f"{width} x {height}", "Fix the driver that publishes it")


def count_of(message: object, name: str) -> int:
    """A 32-bit unsigned field. Raises BadImage."""
    value = getattr(message, name, None)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < 1 << 32:
        refuse(name, "an integer of 0 to 2^32 - 1", repr(value)[:40], "Fix the driver that publishes it")
    return int(value)


def bytes_of(message: object) -> memoryview:
    """The message's data. Raises BadImage."""
    data = getattr(message, "data", None)
    try:
        return contiguous_bytes(data)
    except (TypeError, ValueError):
        refuse("data", "contiguous bytes", type(data).__name__, "Pass the message's bytes")


def refuse(name: str, expected: str, found: object, what_to_do: str) -> NoReturn:
    """Raise BadImage saying what was expected, what was found and what to do."""
    raise BadImage(f"{name}: expected {expected}, found {found}. {what_to_do}.")
