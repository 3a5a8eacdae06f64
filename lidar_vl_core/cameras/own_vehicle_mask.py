"""Which pixels of a camera look at the world, and which at the own vehicle, given by an image of the camera's size. Reads files."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from lidar_vl_core.cameras.encodings.compressed_image import decode_compressed
from lidar_vl_core.foundation.errors import BadConfig, BadImage

_MOST_BYTES = 50_000_000


def read_mask(path: Path) -> np.ndarray:
    """(H, W) bool of a PNG or JPEG: False where it is black, which is the own vehicle, as in COLMAP's masks. Raises BadConfig."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BadConfig(
            f"mask {path}: expected a PNG or JPEG, found: {error.strerror or error}. Check the path."
        ) from error
    if len(data) > _MOST_BYTES:
        raise BadConfig(f"mask {path}: expected a PNG or JPEG of at most {_MOST_BYTES >> 20} MB, found a larger file.")
    try:
        rgb = decode_compressed(SimpleNamespace(format="", data=data))
    except BadImage as error:
        raise BadConfig(f"mask {path}: {error}") from error
    mask: np.ndarray = rgb.max(axis=2) > 127  # JPEG's black is not quite black
    if not mask.any():
        raise BadConfig(
            f"mask {path}: expected black only on the own vehicle, found black everywhere. Invert the mask."
        )
    return mask
