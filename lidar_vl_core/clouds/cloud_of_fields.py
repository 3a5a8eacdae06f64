"""Fields under whatever names a file gives them, as a PointCloud; remarks say what was missing or unclear."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.colours import rgb_of_columns
from lidar_vl_core.clouds.formats.fields import colour_names, intensity_name, position_names
from lidar_vl_core.clouds.formats.size_limits import MAX_POINTS
from lidar_vl_core.clouds.intensity import full_scale, intensity_doubts, scaled_intensity
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.sweep_statistics import frame_doubts
from lidar_vl_core.foundation.errors import BadCloudFile

_FAR_M = 2.0**14  # float32 holds places up to here to 1 mm
_LARGEST_M = 1e9  # no place on Earth, in any projection
_ORIGIN_STEP_M = 10.0  # so that heights that are told from the sensor already stay as they are

Fields = Mapping[str, np.ndarray]
Origin = tuple[float, float, float]


def cloud_of_fields(
    path: Path, fields: Fields, told_m: Origin, intensity_max: float | None
) -> tuple[PointCloud, list[str]]:
    """The cloud of these fields, each (N,), `rgb` also (N, 3); and remarks for people.

    path: named in errors. told_m: the origin that the file itself names. Raises BadCloudFile.
    """
    names = position_names(fields)
    if names is None:
        raise BadCloudFile(
            f"{path}: expected fields x, y and z, found {', '.join(fields)[:200]}. It is not a point cloud."
        )
    points = len(fields[names[0]])
    if points > MAX_POINTS:
        raise BadCloudFile(f"{path}: expected at most {MAX_POINTS} points, found {points}. Split the file.")
    rest = {name: values for name, values in fields.items() if name not in names and name != "_"}
    remarks: list[str] = []
    xyz_m, shift_m = _near_origin([fields[name] for name in names])
    if any(shift_m):
        remarks.append(_far_told(shift_m, fields[names[0]].dtype))
    colours = _take_rgb(rest, remarks)
    intensity = _take_intensity(rest, len(xyz_m), intensity_max, remarks, tuple(fields))
    x, y, z = (float(told + shift) for told, shift in zip(told_m, shift_m, strict=True))
    extra = {name: values for name, values in rest.items() if len(values) == len(xyz_m)} | colours
    cloud = PointCloud(
        xyz_m, intensity, 0, "", extra, origin_m=(x, y, z), in_sensor_frame=not any(shift_m) and not any(told_m)
    )
    return cloud, remarks + frame_doubts(cloud)


def _near_origin(columns: list[np.ndarray]) -> tuple[np.ndarray, Origin]:
    """(N, 3) float32 metres, and the place they are told from: 0, 0, 0 but for places too far away for float32."""
    if all(column.dtype == np.float32 for column in columns):
        xyz_m = np.stack(columns, axis=1)
    else:
        xyz_m = np.stack([column.astype(np.float64) for column in columns], axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        if not (np.abs(xyz_m) >= _FAR_M).any():
            return xyz_m.astype(np.float32), (0.0, 0.0, 0.0)
        met = np.isfinite(xyz_m).all(axis=1) & xyz_m.any(axis=1)
        middle_m = np.median(xyz_m[met].astype(np.float64), axis=0) if met.any() else np.zeros(3)
        if not _FAR_M <= np.abs(middle_m).max() < _LARGEST_M:
            return xyz_m.astype(np.float32), (0.0, 0.0, 0.0)
        origin_m = np.round(middle_m / _ORIGIN_STEP_M) * _ORIGIN_STEP_M
        near_m = (xyz_m.astype(np.float64) - origin_m).astype(np.float32)
    near_m[~met] = np.nan  # 0, 0, 0 among far places is no return
    return near_m, (float(origin_m[0]), float(origin_m[1]), float(origin_m[2]))


def _far_told(origin_m: Origin, dtype: np.dtype) -> str:
    x, y, z = origin_m
    lost = ""
    if dtype == np.float32:
        grain_m = float(np.spacing(np.float32(max(map(abs, origin_m)))))
        lost = f" The file's float32 resolves such coordinates only to {grain_m:.3g} m: save them as float64."
    return f"the coordinates are far from zero; they are stored relative to the origin x {x:.0f}, y {y:.0f}, z {z:.0f} m.{lost}"


def _take_rgb(rest: dict[str, np.ndarray], remarks: list[str]) -> dict[str, np.ndarray]:
    """The colours as `rgb`, whose fields leave `rest`; {} where there are none, or none that can be told."""
    names = colour_names(rest)
    columns = [rest.pop(name) for name in names]
    rgb = rgb_of_columns(columns)
    if names and rgb is None:
        kinds = ", ".join(f"{name} {values.dtype}" for name, values in zip(names, columns, strict=True))
        remarks.append(f"left out the colours: expected 8 or 16 bits a channel, 0..1, or packed ones, found {kinds}.")
    return {} if rgb is None else {"rgb": rgb}


def _take_intensity(
    rest: dict[str, np.ndarray], points: int, intensity_max: float | None, remarks: list[str], names: tuple[str, ...]
) -> np.ndarray:
    scales = {name: full_scale(rest[name]) for name in _intensity_fields(rest)}
    if not scales:
        remarks.append(f"found no intensity field; used 0 (fields: {', '.join(names)[:200]}).")
        return np.zeros(points, np.float32)
    filled = [name for name, largest in scales.items() if largest is not None]  # drivers leave some fields at 0
    name, *further = [*filled, *(name for name in scales if name not in filled)]
    if further:
        remarks.append(f"took {name} as the intensity (also found: {', '.join(further)}).")
    if not filled and points:
        remarks.append(f"the intensity field {name} has no value above 0.")
    raw, largest = rest.pop(name), intensity_max or scales[name] or 1.0
    doubts = intensity_doubts(raw, largest if intensity_max is None else None, "--intensity-max")
    remarks += [f"the intensity field {name}: {doubt}" for doubt in doubts]
    return scaled_intensity(raw, largest)


def _intensity_fields(rest: Fields) -> list[str]:
    """The names of fields that may be the intensity, the best first."""
    names = [name for name, values in rest.items() if values.dtype.kind in "fiu"]
    found = []
    while (name := intensity_name(names)) is not None:
        names.remove(name)
        found.append(name)
    return found
