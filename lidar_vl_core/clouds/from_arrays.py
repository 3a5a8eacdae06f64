"""Clouds from arrays that users hold: (N, 3), (N, 4) or one structured value per point, of any number type."""

import warnings
from collections.abc import Sequence

import numpy as np

from lidar_vl_core.clouds.formats.fields import intensity_name, position_names
from lidar_vl_core.clouds.intensity import full_scale, intensity_doubts, normalise_intensity
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadPointCloud

_MOST_COLUMNS = (
    16  # a point has hardly more: three or four rows of more numbers are x, y, z and intensity one below the other
)


def cloud_from_arrays(
    points: np.ndarray | Sequence[object], intensity: np.ndarray | None = None, rgb: np.ndarray | None = None
) -> PointCloud:
    """A sweep from points in metres in the sensor's frame.

    points: (N, 3) x y z or (N, 4) x y z intensity, or a structured (N,) array with fields x, y and z, as
    sensor_msgs_py.read_points gives. intensity: (N,) of any scale; zeros where neither has one. rgb: (N, 3) uint8.
    Values that cannot be meant become a Python warning. Raises BadPointCloud for other shapes and types.
    """
    array = np.asarray(points)
    xyz, own_intensity = _structured(array) if array.dtype.names else _plain(array)
    if intensity is not None and own_intensity is not None:
        raise BadPointCloud("intensity: expected it once, found it both in the points and as an argument. Remove one.")
    values = own_intensity if intensity is None else _column("intensity", np.asarray(intensity), len(xyz))
    extra = {} if rgb is None else {"rgb": _colours(np.asarray(rgb), len(xyz))}
    with np.errstate(over="ignore", invalid="ignore"):
        xyz_m = np.ascontiguousarray(xyz, np.float32)
    scaled = np.zeros(len(xyz_m), np.float32) if values is None else _scaled(values)
    return PointCloud(xyz_m, scaled, 0, "", extra)


def _scaled(values: np.ndarray) -> np.ndarray:
    for doubt in intensity_doubts(values, full_scale(values), "fractions of it"):
        warnings.warn(f"intensity: {doubt}", stacklevel=3)
    return normalise_intensity(values)


def _plain(array: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    if array.ndim != 2 or array.shape[1] not in (3, 4) or array.dtype.kind not in "fiu":
        lies = array.ndim == 2 and array.shape[0] in (3, 4) and array.shape[1] > _MOST_COLUMNS
        remedy = "Turn them: points.T" if lies else "Choose these columns, for example points[:, :4]"
        raise BadPointCloud(
            f"points: expected numbers (N, 3) x y z or (N, 4) x y z intensity, found {array.shape} of {array.dtype}. {remedy}."
        )
    return array[:, :3], array[:, 3] if array.shape[1] == 4 else None


def _structured(array: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    names = array.dtype.names or ()
    position = position_names(names)
    if position is None:
        raise BadPointCloud(f"points: expected fields x, y and z, found {', '.join(names)[:200]}. Rename them.")
    flat = array.reshape(-1)  # an organised cloud has rows
    columns = [_column(name, flat[name], len(flat)) for name in position]
    intensity = intensity_name(names)
    return np.stack(columns, axis=1), None if intensity is None else _column(intensity, flat[intensity], len(flat))


def _column(name: str, values: np.ndarray, count: int) -> np.ndarray:
    if values.shape != (count,) or values.dtype.kind not in "fiu":
        raise BadPointCloud(
            f"{name}: expected {count} numbers, one per point, found {values.shape} of {values.dtype}. "
            "Give one value per point."
        )
    return values


def _colours(rgb: np.ndarray, count: int) -> np.ndarray:
    if rgb.shape != (count, 3) or rgb.dtype != np.uint8:
        raise BadPointCloud(
            f"rgb: expected ({count}, 3) uint8, found {rgb.shape} of {rgb.dtype}. Give red, green and blue, 0 to 255."
        )
    return rgb
