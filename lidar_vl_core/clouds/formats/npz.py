"""Clouds in numpy's .npz and .npy files: points or range images in the sensor's frame, and PandaSet's in the world's."""

from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.formats.fields import colour_names, intensity_name, position_names
from lidar_vl_core.clouds.formats.size_limits import MAX_POINTS, MAX_UNPACKED_BYTES
from lidar_vl_core.foundation.errors import BadCloudFile, BadTransform
from lidar_vl_core.foundation.files import read_json
from lidar_vl_core.foundation.plain_arrays import load_plain_array, load_plain_arrays
from lidar_vl_core.geometry.rigid_transform import RigidTransform

_XYZ_NAMES = ("xyz_m", "xyz", "points", "xyz_world")
_MOST_ROWS_ACROSS = (
    16  # a point has hardly more columns; an array of fewer rows than that and more columns lies on its side
)
_RGB_NAMES = ("rgb", "colors", "colours", "color", "colour")


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The fields of an .npz, name -> (N,), `rgb` also (N, 3); `origin_m` (3,) where the file has it.

    Points are (N, 3) or (H, W, 3) `xyz_m`, `xyz` or `points`, their fourth column the intensity unless it has a name of
    its own; or PandaSet's `xyz_world`, for which `../meta.json` must know the pose; or `x`, `y` and `z` apart.
    Cells of a range image without a return, stored as zeros, become NaN. Raises BadCloudFile.
    """
    return _fields_of_arrays(path, _load(path))


def read_npy(path: Path) -> dict[str, np.ndarray]:
    """The fields of an .npy, name -> (N,): (N, 3) or (H, W, 3) points, a fourth column the intensity. Raises BadCloudFile."""
    try:
        return _fields_of_arrays(path, {"points": load_plain_array(path, MAX_UNPACKED_BYTES)})
    except ValueError as error:
        raise BadCloudFile(
            f"{path}: expected an .npy of a plain array, found: {str(error)[:200]}. Save plain numbers, (N, 3) or (N, 4)."
        ) from error


def _fields_of_arrays(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    kept = {"origin_m": arrays.pop("origin_m")} if "origin_m" in arrays else {}
    name, points = _take_points(path, arrays)
    shape = points.shape[:-1]
    flat = points.reshape(-1, points.shape[-1])
    xyz_m: np.ndarray = flat[:, :3]
    if len(shape) == 2:
        xyz_m = np.where(xyz_m.any(axis=1, keepdims=True), xyz_m, np.nan)
    if name.lower() == "xyz_world":
        xyz_m = _pose_of(path).inverse().apply(xyz_m.astype(np.float64))
    columns: dict[str, np.ndarray] = {
        key: values.reshape(-1) for key, values in arrays.items() if values.shape in (shape, (*shape, 1))
    }
    if (strange := intensity_name(arrays)) and strange not in columns:
        raise BadCloudFile(
            f"{path}: {strange}: expected one number for each of {shape} points, found {arrays[strange].shape}. "
            "Save it in their shape, or rename it."
        )
    _require_numbers(path, columns)
    if flat.shape[1] > 3 and intensity_name(columns) is None:
        columns["intensity"] = flat[:, 3]
    colours = next((arrays[key] for key in arrays if key.lower() in _RGB_NAMES), None)
    if colours is not None and colours.shape in ((*shape, 3), (*shape, 4)) and not colour_names(columns):
        columns["rgb"] = colours.reshape(-1, colours.shape[-1])
    return {**columns, **{axis: xyz_m[:, k] for k, axis in enumerate("xyz")}, **kept}


def _take_points(path: Path, arrays: dict[str, np.ndarray]) -> tuple[str, np.ndarray]:
    """The array of points, taken out of `arrays`, and what it was called."""
    name = next((name for wanted in _XYZ_NAMES for name in arrays if name.lower() == wanted), None)
    apart = position_names(arrays)
    if name is not None:
        points = arrays.pop(name)
    elif apart is not None:
        name, parts = ", ".join(apart), [arrays.pop(axis) for axis in apart]
        if len({part.shape for part in parts}) > 1:
            raise BadCloudFile(f"{path}: expected {name} of one shape, found {[part.shape for part in parts]}.")
        points = np.stack(parts, axis=-1)
    else:
        raise BadCloudFile(
            f"{path}: expected {', '.join(_XYZ_NAMES)}, found {', '.join(arrays)[:200] or 'no array'}. Rename it."
        )
    columns = points.shape[-1] if points.ndim in (2, 3) else 0
    if columns < 3 or points.dtype.kind not in "fiu":
        raise BadCloudFile(
            f"{path}: {name}: expected (N, 3) or (H, W, 3) numbers, found {points.shape} of {points.dtype}."
        )
    if len(points) <= _MOST_ROWS_ACROSS < columns:
        raise BadCloudFile(
            f"{path}: {name}: expected x, y and z last, (N, 3) or (H, W, 3), found {points.shape}. Save it with its axes in that order."
        )
    if points.size // columns > MAX_POINTS:
        raise BadCloudFile(
            f"{path}: expected at most {MAX_POINTS} points, found {points.size // columns}. Split the file."
        )
    return name, points


def _require_numbers(path: Path, columns: dict[str, np.ndarray]) -> None:
    name = intensity_name(columns)
    if name is not None and columns[name].dtype.kind not in "fiub":
        raise BadCloudFile(
            f"{path}: {name}: expected numbers, found {columns[name].dtype}. Save the intensity as numbers."
        )


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        return load_plain_arrays(path, MAX_UNPACKED_BYTES)
    except ValueError as error:
        raise BadCloudFile(
            f"{path}: expected an .npz of plain arrays, found: {str(error)[:200].rstrip('.')}. Save it again."
        ) from error


def _pose_of(path: Path) -> RigidTransform:
    """T_world_lidar of a PandaSet frame from the sequence's meta.json."""
    meta = path.parent.parent / "meta.json"
    try:
        pose = read_json(meta)["frames"][path.stem]["lidar_pose_world"]
        heading, position = pose["heading"], pose["position"]
        return RigidTransform.from_quaternion([heading[k] for k in "xyzw"], [position[k] for k in "xyz"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, BadTransform) as error:
        raise BadCloudFile(
            f"{path}: expected the LiDAR's pose in {meta} because the points are in world coordinates, "
            f"found: {type(error).__name__} {str(error)[:120]}. Keep the sequence's folder together, or save xyz_m in the sensor's frame."
        ) from error
