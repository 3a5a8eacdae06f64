"""Single point cloud files: .bin of any columns, .pcd, .ply, .npz and .npy in; labelled .npz, .pcd, .ply and .label out."""

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.cloud_of_fields import Origin, cloud_of_fields
from lidar_vl_core.clouds.colours import cloud_rgb
from lidar_vl_core.clouds.formats.bin_columns import doubted_columns
from lidar_vl_core.clouds.formats.bin_file import read_bin
from lidar_vl_core.clouds.formats.npz import read_npy, read_npz
from lidar_vl_core.clouds.formats.size_limits import MAX_FILE_BYTES
from lidar_vl_core.clouds.intensity import is_full_scale
from lidar_vl_core.clouds.pcd import pcd_bytes, read_pcd
from lidar_vl_core.clouds.ply import ply_bytes, read_ply
from lidar_vl_core.clouds.point_cloud import PointCloud, PointLabelled
from lidar_vl_core.clouds.point_cloud2 import encode_labelled
from lidar_vl_core.foundation.errors import BadCloudFile, BadRequest, LidarVlError, one_line
from lidar_vl_core.foundation.files import atomic_writer, write_bytes

READABLE = (".bin", ".pcd.bin", ".pcd", ".ply", ".npz", ".npy")
WRITABLE = (".npz", ".pcd", ".ply", ".label")
_SCANS, _TEXTS, _PACKED = (
    (".las", ".laz", ".e57"),
    (".csv", ".txt", ".xyz", ".pts", ".asc"),
    (".gz", ".zst", ".zip", ".tar"),
)
_CONVERSIONS = {
    **dict.fromkeys(_SCANS, "Convert it to .ply, for example with CloudCompare."),
    **dict.fromkeys(
        _TEXTS, "Read its columns in Python and save them: np.savez('cloud.npz', xyz=xyz, intensity=intensity)."
    ),
    **dict.fromkeys(_PACKED, "Unpack it."),
}
_MAX_HEADER_BYTES = 1 << 16
_KNOWN_BINS = (("x", "y", "z", "intensity"), ("x", "y", "z", "intensity", "ring"))  # KITTI's; nuScenes' .pcd.bin
_ORIGIN_LINE = re.compile(rb"^comment +origin_m +(\S+) +(\S+) +(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class CloudFile:
    """A cloud read from a file, and remarks on how it was read, without the file's name."""

    cloud: PointCloud
    remarks: tuple[str, ...]


def read_cloud(
    path: Path | str, columns: Sequence[str] | None = None, intensity_max: float | None = None
) -> PointCloud:
    """The cloud of `read_cloud_file`, whose remarks become Python warnings. Raises BadCloudFile."""
    read = read_cloud_file(path, columns, intensity_max)
    for remark in read.remarks:
        warnings.warn(remark, stacklevel=2)
    return read.cloud


def read_cloud_file(
    path: Path | str, columns: Sequence[str] | None = None, intensity_max: float | None = None
) -> CloudFile:
    """Read one sweep in its sensor's frame, in file order; further per-point columns are kept in `extra`.

    Fields go by the names of `clouds.formats.fields`; colours become (N, 3) uint8 `rgb` in `extra`. A `.bin` has no names: its
    float32 columns are told by its numbers (`guessed_columns`), or by `columns`, with `_` for what is to be left out.
    Coordinates too far from zero for float32 (maps) are told from `origin_m`. intensity_max: the sensor's full scale;
    None judges it by the values. Raises BadCloudFile.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if os.path.isdir(path):  # unlike Path.is_dir() it takes names that no file can have
        raise BadCloudFile(f"{path}: expected a cloud file, found no regular file but a folder. Give one of its files.")
    if suffix not in READABLE:
        raise BadCloudFile(
            f"{path}: expected a name ending in {', '.join(READABLE)}, found {path.suffix or 'none'}. "
            f"{_CONVERSIONS.get(suffix, 'Convert it to one of these.')}"
        )
    if columns is not None and suffix != ".bin":
        raise BadCloudFile(f"{path}: columns: expected a .bin, found {suffix}, which names its own. Leave them out.")
    if intensity_max is not None and not is_full_scale(intensity_max):
        raise BadCloudFile(f"intensity_max: expected a positive number, found {intensity_max}. Give the full scale.")
    try:
        size = path.stat().st_size
        if not path.is_file() or not 0 < size <= MAX_FILE_BYTES:
            found = f"{size} bytes" if path.is_file() else "no regular file"
            raise BadCloudFile(
                f"{path}: expected a file of 1 to {MAX_FILE_BYTES} bytes, found {found}. Check the path."
            )
        fields, told_m = _fields_and_origin(path, suffix, columns)
        cloud, remarks = cloud_of_fields(path, fields, told_m, intensity_max)
    except LidarVlError:
        raise
    except OSError as error:
        raise BadCloudFile(
            f"{path}: expected a readable file, found: {error.strerror or error}. Check the path."
        ) from error
    except Exception as error:  # what no check above foresaw: whoever brings a file is told its name, whatever is in it
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise BadCloudFile(f"{path}: expected a point cloud, found: {found}. The file is damaged.") from error
    if suffix == ".bin" and columns is None and not _goes_without_saying(path, tuple(fields)):
        told = f"read as {len(cloud)} points of {', '.join(fields)}, judging by its numbers; set --columns if that is wrong."
        remarks.insert(0, told)
    if columns is not None and (doubt := doubted_columns(path, len(columns))) is not None:
        remarks.insert(0, doubt)
    return CloudFile(cloud, tuple(map(one_line, remarks)))  # which name fields as the file does


def require_labelled_cloud(path: Path) -> None:
    """Raise BadRequest for a file name that write_labelled_cloud() does not support."""
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise BadRequest(
            f"{path}: expected a name ending in {', '.join(WRITABLE)}, found {suffix or 'none'}. Rename it."
        )


def write_labelled_cloud(path: Path | str, cloud: PointCloud, labels: PointLabelled) -> None:
    """Write every point with its label, atomically, in the format given by the file's suffix.

    `.npz`: xyz_m, intensity, class_id, probability, `rgb` where the cloud has colours, and `origin_m` where xyz_m is told
    from one. `.ply`: the same, the origin as a comment. `.pcd`: x y z intensity class_id probability, binary, x y z in
    float64 and from zero where the cloud has an origin.
    `.label`: class_id alone as uint32, SemanticKITTI's form, in the model's class numbers. Raises BadRequest.
    """
    path = Path(path)
    require_labelled_cloud(path)
    suffix = path.suffix.lower()
    layout = encode_labelled(cloud, labels.class_id, labels.probability)
    if suffix == ".pcd":
        write_bytes(path, pcd_bytes(layout))
    elif suffix == ".ply":
        comments = [f"origin_m {' '.join(map(repr, cloud.origin_m))}"] if any(cloud.origin_m) else []
        write_bytes(path, ply_bytes(_ply_columns(cloud, labels), comments))
    elif suffix == ".label":
        write_bytes(path, labels.class_id.astype("<u4").tobytes())
    else:
        rgb = cloud_rgb(cloud)
        further = {} if rgb is None else {"rgb": rgb}
        if any(cloud.origin_m):
            further["origin_m"] = np.array(cloud.origin_m)
        with atomic_writer(path) as handle:
            columns = {"class_id": labels.class_id, "probability": labels.probability, **further}
            np.savez(handle, xyz_m=cloud.xyz_m, intensity=cloud.intensity, **columns)  # type: ignore[arg-type]


def _fields_and_origin(path: Path, suffix: str, columns: Sequence[str] | None) -> tuple[dict[str, np.ndarray], Origin]:
    if suffix == ".bin":
        return read_bin(path, columns), (0.0, 0.0, 0.0)
    if suffix == ".pcd":
        return read_pcd(path), (0.0, 0.0, 0.0)
    if suffix == ".npz":
        fields = read_npz(path)
        return fields, _origin(fields.pop("origin_m", np.zeros(3)))
    if suffix == ".npy":
        return read_npy(path), (0.0, 0.0, 0.0)
    with path.open("rb") as file:
        line = _ORIGIN_LINE.search(file.read(_MAX_HEADER_BYTES))
    return read_ply(path), _origin(np.array(line.groups() if line else (0, 0, 0)))


def _origin(values: np.ndarray) -> Origin:
    """An origin that a file names; 0, 0, 0 where it is none of ours."""
    try:
        x, y, z = (float(value) for value in values)
    except (TypeError, ValueError):
        return 0.0, 0.0, 0.0
    return (x, y, z) if np.isfinite((x, y, z)).all() else (0.0, 0.0, 0.0)


def _goes_without_saying(path: Path, names: tuple[str, ...]) -> bool:
    return names == _KNOWN_BINS[path.name.lower().endswith(".pcd.bin")]


def _ply_columns(cloud: PointCloud, labels: PointLabelled) -> dict[str, np.ndarray]:
    columns = {name: cloud.xyz_m[:, k] for k, name in enumerate("xyz")}
    rgb = cloud_rgb(cloud)
    if rgb is not None:
        columns |= {name: rgb[:, k] for k, name in enumerate(("red", "green", "blue"))}
    return {**columns, "intensity": cloud.intensity, "class_id": labels.class_id, "probability": labels.probability}
