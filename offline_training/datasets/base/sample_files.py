"""Reading the files of a sample, so that every fault names the sample and the file."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.encodings.message_fields import MAX_PIXELS
from lidar_vl_core.foundation.errors import BadDataset, LidarVlError

if TYPE_CHECKING:
    from PIL.Image import Image

_MAX_BYTES = 1 << 28  # of the points or labels of a sweep, which has some MB


def read_values(path: Path, dtype: type, sample_name: str) -> np.ndarray:
    """The values of a binary file, (n,).

    Raises BadDataset when it is missing, too large or not a whole number of values.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise BadDataset(
            f"{sample_name}: expected a readable file {path}, found: {error}. Unpack the data set again."
        ) from error
    if len(content) > _MAX_BYTES:
        raise BadDataset(
            f"{sample_name}: expected at most {_MAX_BYTES} bytes in {path}, found more. It is not a sweep."
        )
    if len(content) % np.dtype(dtype).itemsize:
        raise BadDataset(
            f"{sample_name}: expected whole {np.dtype(dtype)} values in {path}, found {len(content)} bytes. "
            "The file is truncated: unpack the data set again."
        )
    return np.frombuffer(content, dtype)


def read_rows(path: Path, columns: int, sample_name: str) -> np.ndarray:
    """A binary file of float32 rows as (N, columns); raises BadDataset when it is missing or cut."""
    values = read_values(path, np.float32, sample_name)
    if len(values) % columns:
        raise BadDataset(
            f"{sample_name}: expected rows of {columns} float32 in {path}, found {len(values)} numbers. "
            "The file is truncated or of another type: unpack the data set again."
        )
    return values.reshape(-1, columns)


@contextmanager
def opened_picture(path: Path, sample_name: str, what: str = "image") -> Iterator["Image"]:
    """An image file, open and not yet decoded. Raises BadDataset for more pixels than a camera has, and for all that its decoding raises."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of sizes that are refused below
            opened = Image.open(path)
        with opened as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise ValueError(f"{width}x{height} pixels, where up to {MAX_PIXELS} are read")
            yield picture
    except LidarVlError:
        raise
    except Exception as error:  # Pillow's decoders raise what the bytes lead them to
        raise _unreadable(path, sample_name, error, what) from error


def image_size(path: Path, sample_name: str) -> tuple[int, int]:
    """Width and height of an image file, from its header; raises BadDataset when there is none to read."""
    with opened_picture(path, sample_name) as picture:
        return picture.size


def read_rgb(path: Path, sample_name: str, camera: CameraModel) -> np.ndarray:
    """An image file as (H, W, 3) uint8.

    Raises BadDataset, naming the sample, when the file is missing, damaged or not of the camera's size.
    """
    with opened_picture(path, sample_name) as picture:
        width, height = picture.size
        if (width, height) != (camera.width, camera.height):
            raise BadDataset(
                f"{sample_name}: expected {camera.width}x{camera.height} pixels in {path}, found {width}x{height}. "
                "Images and calibration must have the same size: use the data set's original images."
            )
        return np.asarray(picture.convert("RGB"))


def read_picture_bytes(path: Path, sample_name: str) -> bytes:
    """An image file as it is stored; raises BadDataset, naming the sample, when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, sample_name, error) from error


def _unreadable(path: Path, sample_name: str, error: Exception, what: str = "image") -> BadDataset:
    found = " ".join(str(error).split())[:300]
    return BadDataset(f"{sample_name}: expected a readable {what} {path}, found: {found}. Unpack the data set again.")
