"""Single point cloud files: KITTI and nuScenes .bin, .pcd, .ply and .npz in; labelled .npz, .pcd, .ply and .label out."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.fields import intensity_name
from lidar_vl_core.clouds.intensity import normalise_intensity
from lidar_vl_core.clouds.pcd import pcd_bytes, read_pcd
from lidar_vl_core.clouds.ply import ply_bytes, read_ply
from lidar_vl_core.clouds.point_cloud import PointCloud, PointLabelled
from lidar_vl_core.clouds.point_cloud2 import encode_labelled
from lidar_vl_core.clouds.point_cloud2_header import MAX_POINTS
from lidar_vl_core.foundation.errors import BadCloudFile, BadRequest, BadTransform
from lidar_vl_core.foundation.files import atomic_writer, write_bytes
from lidar_vl_core.geometry.rigid_transform import RigidTransform

READABLE = (".bin", ".pcd.bin", ".pcd", ".ply", ".npz")
WRITABLE = (".npz", ".pcd", ".ply", ".label")
_COLOR_NAMES = ("red", "green", "blue")
_XYZ_NAMES = ("xyz_m", "xyz", "points", "xyz_world")
_MAX_FILE_BYTES = 1 << 31
_FARTHEST_M = 1e5  # beyond any LiDAR: numbers like these are other data read as float32


def read_cloud(path: Path | str) -> PointCloud:
    """Read one sweep in its sensor's frame, in file order; further per-point columns are kept in `extra`.

    By name: `.pcd.bin` has 5 float32 columns (nuScenes: x y z intensity ring); any other `.bin` has 4 (KITTI: x y z
    intensity) unless its size divides by 20 bytes only, then 5; `.pcd` and `.ply` say themselves, colours of a `.ply` are
    (N, 3) uint8 `rgb` in `extra`; `.npz` has (N, 3) or range image (H, W, 3) `xyz_m`, `xyz` or `points`, or PandaSet's
    `xyz_world`, for which `../meta.json` must know the pose.
    Raises BadCloudFile.
    """
    path = Path(path)
    readers = {".bin": _read_bin, ".pcd": _read_pcd, ".ply": _read_ply, ".npz": _read_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadCloudFile(
            f"{path}: expected a name ending in {', '.join(READABLE)}, found {path.suffix or 'none'}. Convert it."
        )
    try:
        size = path.stat().st_size
        if not path.is_file() or not 0 < size <= _MAX_FILE_BYTES:
            found = f"{size} bytes" if path.is_file() else "no regular file"
            raise BadCloudFile(
                f"{path}: expected a file of 1 to {_MAX_FILE_BYTES} bytes, found {found}. Check the path."
            )
        return reader(path)
    except OSError as error:
        raise BadCloudFile(
            f"{path}: expected a readable file, found: {error.strerror or error}. Check the path."
        ) from error


def write_labelled_cloud(path: Path | str, cloud: PointCloud, labels: PointLabelled) -> None:
    """Write every point with its label, atomically, in the form the name asks for.

    `.npz`: xyz_m, intensity, class_id, probability. `.pcd`: the same as x y z intensity class_id probability, binary.
    `.ply`: the same, and the colours where the cloud has them.
    `.label`: class_id alone as uint32, SemanticKITTI's form, in the model's class numbers. Raises BadRequest.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise BadRequest(
            f"{path}: expected a name ending in {', '.join(WRITABLE)}, found {suffix or 'none'}. Rename it."
        )
    layout = encode_labelled(cloud, labels.class_id, labels.probability)
    if suffix == ".pcd":
        write_bytes(path, pcd_bytes(layout))
    elif suffix == ".ply":
        write_bytes(path, ply_bytes(_ply_columns(cloud, labels)))
    elif suffix == ".label":
        write_bytes(path, labels.class_id.astype("<u4").tobytes())
    else:
        with atomic_writer(path) as handle:
            columns = {"class_id": labels.class_id, "probability": labels.probability}
            np.savez(handle, xyz_m=cloud.xyz_m, intensity=cloud.intensity, **columns)  # type: ignore[arg-type]


def _read_bin(path: Path) -> PointCloud:
    size = path.stat().st_size
    nuscenes = path.name.lower().endswith(".pcd.bin")
    columns = 5 if nuscenes or (size % 16 and size % 20 == 0) else 4
    if size % (4 * columns):
        raise BadCloudFile(
            f"{path}: expected points of {4 * columns} bytes ({columns} float32 columns), found {size} bytes. "
            "The file was cut, or it has other columns; convert it to .npz with xyz_m and intensity."
        )
    _require_points(path, size // (4 * columns))
    points = np.fromfile(path, "<f4").reshape(-1, columns)
    with np.errstate(invalid="ignore"):
        near = np.abs(points[:, :3]) < _FARTHEST_M
    if np.count_nonzero(near) * 2 < near.size:
        raise BadCloudFile(
            f"{path}: expected float32 coordinates in metres, found {near.size - np.count_nonzero(near)} of {near.size} "
            "numbers beyond 100 km or not finite. It holds something else."
        )
    extra = {"ring": points[:, 4].copy()} if columns == 5 else {}
    return _cloud(points[:, :3], points[:, 3], extra)


def _read_pcd(path: Path) -> PointCloud:
    return _from_fields(path, read_pcd(path))


def _read_ply(path: Path) -> PointCloud:
    columns = read_ply(path)
    if any(columns.get(name, np.empty(0)).dtype != np.uint8 for name in _COLOR_NAMES):
        return _from_fields(path, columns)
    rgb = np.stack([columns.pop(name) for name in _COLOR_NAMES], axis=1)
    cloud = _from_fields(path, columns)
    return replace(cloud, extra={**cloud.extra, "rgb": rgb})


def _ply_columns(cloud: PointCloud, labels: PointLabelled) -> dict[str, np.ndarray]:
    columns = {name: cloud.xyz_m[:, k] for k, name in enumerate("xyz")}
    if "rgb" in cloud.extra:
        columns |= {name: cloud.extra["rgb"][:, k] for k, name in enumerate(_COLOR_NAMES)}
    return {**columns, "intensity": cloud.intensity, "class_id": labels.class_id, "probability": labels.probability}


def _from_fields(path: Path, columns: dict[str, np.ndarray]) -> PointCloud:
    missing = [name for name in "xyz" if name not in columns]
    if missing:
        raise BadCloudFile(
            f"{path}: expected fields x, y and z, found {', '.join(columns)[:200]}. It is no point cloud."
        )
    extra = {name: values for name, values in columns.items() if name not in "xyz" and name != "_"}
    with np.errstate(over="ignore", invalid="ignore"):
        xyz_m = np.stack([columns[name].astype(np.float32) for name in "xyz"], axis=1)
    return _cloud(xyz_m, _take_intensity(extra), extra)


def _read_npz(path: Path) -> PointCloud:
    arrays = _load_npz(path)
    name = next((name for name in _XYZ_NAMES if name in arrays), None)
    if name is None:
        raise BadCloudFile(
            f"{path}: expected {', '.join(_XYZ_NAMES)}, found {', '.join(arrays)[:200] or 'no array'}. Rename it."
        )
    points = arrays.pop(name)
    columns = points.shape[-1] if points.ndim in (2, 3) else 0
    if columns < 3 or points.dtype.kind not in "fiu":
        raise BadCloudFile(
            f"{path}: {name}: expected (N, 3) or (H, W, 3) numbers, found {points.shape} of {points.dtype}."
        )
    shape = points.shape[:-1]
    _require_points(path, int(np.prod(shape)))
    flat = points.reshape(-1, columns)
    with np.errstate(over="ignore", invalid="ignore"):
        xyz_m = flat[:, :3].astype(np.float32)
    if len(shape) == 2:  # a range image: cells without a return are stored as zeros and are no points
        xyz_m[~xyz_m.any(axis=1)] = np.nan
    if name == "xyz_world":
        xyz_m = _pose_of(path).inverse().apply(xyz_m)
    extra = {key: values.reshape(-1) for key, values in arrays.items() if values.shape == shape}
    intensity = _take_intensity(extra)
    if intensity is None and columns > 3:
        intensity = flat[:, 3]
    return _cloud(xyz_m, intensity, extra)


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MAX_FILE_BYTES:
            raise BadCloudFile(
                f"{path}: expected at most {_MAX_FILE_BYTES} bytes unpacked, found {size}. Split the file."
            )
        with np.load(path, allow_pickle=False) as arrays:
            members = {name: arrays[name] for name in arrays.files}
        return {name: values for name, values in members.items() if isinstance(values, np.ndarray)}
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, MemoryError, RuntimeError, zlib.error) as error:
        raise BadCloudFile(
            f"{path}: expected an .npz of plain arrays, found: {str(error)[:120]}. Save it again."
        ) from error


def _pose_of(path: Path) -> RigidTransform:
    """T_world_lidar of a PandaSet frame from the sequence's meta.json."""
    meta = path.parent.parent / "meta.json"
    try:
        pose = json.loads(meta.read_text("utf-8"))["frames"][path.stem]["lidar_pose_world"]
        heading, position = pose["heading"], pose["position"]
        return RigidTransform.from_quaternion([heading[k] for k in "xyzw"], [position[k] for k in "xyz"])
    except (OSError, ValueError, KeyError, TypeError, BadTransform) as error:
        raise BadCloudFile(
            f"{path}: expected the LiDAR's pose in {meta} because the points are in world coordinates, "
            f"found: {type(error).__name__} {error}. Keep the sequence's folder together, or save xyz_m in the sensor's frame."
        ) from error


def _take_intensity(columns: dict[str, np.ndarray]) -> np.ndarray | None:
    name = intensity_name(columns)
    return None if name is None else columns.pop(name)


def _cloud(xyz_m: np.ndarray, intensity: np.ndarray | None, extra: Mapping[str, np.ndarray]) -> PointCloud:
    values = np.zeros(len(xyz_m), np.float32) if intensity is None else normalise_intensity(intensity)
    return PointCloud(np.ascontiguousarray(xyz_m, np.float32), values, 0, "", extra)


def _require_points(path: Path, count: int) -> None:
    if count > MAX_POINTS:
        raise BadCloudFile(f"{path}: expected at most {MAX_POINTS} points, found {count}. Split the file.")
