"""A cloud out of posed depth images: one coloured point per voxel, the mean of all that was measured in it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.rgbd.files.rgbd_view import resized_nearest

_CELL_BITS = 21  # an axis; three fit into an int64 key
_MERGE_AFTER = 32  # frames: keeps the sums of a long scene as small as its cloud
_COLUMNS_READ = 320  # of wider images every second, third, ... pixel: at 3 m still nearer to each other than 2 cm


@dataclass(frozen=True, eq=False)
class DepthFrame:
    """One depth image with the colours that belong to it."""

    T_world_cam: RigidTransform
    camera: CameraModel  # of the depth image
    depth_m: np.ndarray  # (H, W) float32, 0 = none
    rgb: np.ndarray  # (H', W', 3) uint8 of the same field of view, any size


@dataclass(frozen=True, eq=False)
class _Sums:
    key: np.ndarray  # (M,) int64, sorted
    count: np.ndarray  # (M,) float64
    sums: np.ndarray  # (M, 6) float64: x, y, z, red, green, blue


def fuse_depth(frames: Iterable[DepthFrame], voxel_m: float) -> tuple[np.ndarray, np.ndarray]:
    """(M, 3) float32 points in the world's frame, sorted by voxel, and (M, 3) uint8 colours. Raises BadDataset."""
    parts: list[_Sums] = []
    for frame in frames:
        parts.append(_sums_of(frame, voxel_m))
        if len(parts) == _MERGE_AFTER:
            parts = [_merged(parts)]
    if not parts:
        return np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8)
    whole = _merged(parts)
    mean = whole.sums / whole.count[:, None]
    return mean[:, :3].astype(np.float32), np.rint(mean[:, 3:]).astype(np.uint8)


def _sums_of(frame: DepthFrame, voxel_m: float) -> _Sums:
    height, width = frame.depth_m.shape
    step = max(1, width // _COLUMNS_READ)
    v, u = np.mgrid[0:height:step, 0:width:step]
    depth_m = frame.depth_m[v, u]
    seen = depth_m > 0.0
    uv_px = np.stack((u[seen], v[seen]), axis=1).astype(np.float64)
    xyz_m = frame.T_world_cam.apply(frame.camera.unproject(uv_px, depth_m[seen]))
    rgb = resized_nearest(frame.rgb, width, height)[v, u][seen]
    return _summed(_keys(xyz_m, voxel_m), np.ones(len(xyz_m)), np.concatenate((xyz_m, rgb), axis=1))


def _keys(xyz_m: np.ndarray, voxel_m: float) -> np.ndarray:
    """(N,) int64, one number per voxel."""
    cell = np.floor(xyz_m / voxel_m)
    half = 1 << (_CELL_BITS - 1)
    if len(cell) and not np.abs(cell).max() < half:
        raise BadDataset(
            f"depth images: expected points within {half * voxel_m / 1000:.0f} km of the scene's origin, found "
            f"{np.abs(xyz_m).max() / 1000:.0f} km. The poses are not in metres."
        )
    x, y, z = cell.astype(np.int64).T + half
    return (x << 2 * _CELL_BITS) | (y << _CELL_BITS) | z


def _merged(parts: list[_Sums]) -> _Sums:
    return _summed(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("key", "count", "sums")))


def _summed(key: np.ndarray, count: np.ndarray, values: np.ndarray) -> _Sums:
    """Rows of equal keys added up."""
    unique, row = np.unique(key, return_inverse=True)
    sums = [np.bincount(row, column, minlength=len(unique)) for column in (count, *values.T)]
    return _Sums(unique, sums[0], np.stack(sums[1:], axis=1))
