"""Reading the files of a sample, so that every fault names the sample and the file."""

from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.foundation.errors import BadDataset


def read_values(path: Path, dtype: type, sample_name: str) -> np.ndarray:
    """A binary file as one array; raises BadDataset when it is missing or not a whole number of values."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadDataset(
            f"{sample_name}: expected a readable file {path}, found: {error}. Unpack the data set again."
        ) from error
    if len(content) % np.dtype(dtype).itemsize:
        raise BadDataset(
            f"{sample_name}: expected whole {np.dtype(dtype)} values in {path}, found {len(content)} bytes. "
            "The file is cut: unpack the data set again."
        )
    return np.frombuffer(content, dtype)


def read_rows(path: Path, columns: int, sample_name: str) -> np.ndarray:
    """A binary file of float32 rows as (N, columns); raises BadDataset when it is missing or cut."""
    values = read_values(path, np.float32, sample_name)
    if len(values) % columns:
        raise BadDataset(
            f"{sample_name}: expected rows of {columns} float32 in {path}, found {len(values)} numbers. "
            "The file is cut, or of another kind: unpack the data set again."
        )
    return values.reshape(-1, columns)


def image_size(path: Path, sample_name: str) -> tuple[int, int]:
    """Width and height of an image file, from its header; raises BadDataset when there is none to read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, ValueError) as error:  # PIL raises all three for damaged files
        raise _unreadable(path, sample_name, error) from error


def read_rgb(path: Path, sample_name: str, camera: CameraModel) -> np.ndarray:
    """An image file as (H, W, 3) uint8.

    Raises BadDataset, naming the sample, when the file is missing, damaged or not of the camera's size.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            rgb = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise _unreadable(path, sample_name, error) from error
    if rgb.shape[:2] != (camera.height, camera.width):
        raise BadDataset(
            f"{sample_name}: expected {camera.width}x{camera.height} pixels in {path}, found "
            f"{rgb.shape[1]}x{rgb.shape[0]}. Image and calibration must be of one size: do not resize the data set."
        )
    return rgb


def read_picture_bytes(path: Path, sample_name: str) -> bytes:
    """An image file as it is stored; raises BadDataset, naming the sample, when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, sample_name, error) from error


def _unreadable(path: Path, sample_name: str, error: Exception) -> BadDataset:
    return BadDataset(f"{sample_name}: expected a readable image {path}, found: {error}. Unpack the data set again.")
