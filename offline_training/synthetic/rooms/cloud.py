"""Depth as a sensor gives it, and the coloured cloud that fusing the depth images of a synthetic room gives."""

from collections.abc import Sequence

import numpy as np

from offline_training.synthetic.rooms.shot import RoomCloud, RoomPicture, RoomShot, room_camera

VOXEL_M = 0.05  # of each the point that was seen from nearest stays
_FUSED_M = 4.0  # farther depth is too noisy to be fused
_FARTHEST_M = 6.0  # beyond it a depth camera answers nothing
_LEAST_SLANT = 0.1  # cosine between ray and surface below which it answers nothing


def measured_depth(picture: RoomPicture, noise: bool, rng: np.random.Generator) -> np.ndarray:
    """(H, W) float32 depth in whole millimetres, 0 where the camera answers nothing.

    Noise: standard deviation 0.0012 + 0.0019 (z - 0.4)^2 metres, the axial noise of a Kinect (Nguyen et al. 2012).
    """
    depth_m = picture.depth_m.astype(np.float64)
    if noise:
        depth_m = depth_m + rng.normal(0, 0.0012 + 0.0019 * (depth_m - 0.4) ** 2)
        depth_m[(picture.depth_m > _FARTHEST_M) | (picture.slant < _LEAST_SLANT)] = 0.0
    return (np.round(1000 * np.clip(depth_m, 0, 65.0)) / 1000).astype(np.float32)


def fused_cloud(shots: Sequence[RoomShot]) -> RoomCloud:
    """The points of all measured pixels, one for each voxel of VOXEL_M."""
    columns = [_points(shot) for shot in shots]
    xyz_m, depth_m, rgb, class_id, instance = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    cell = np.floor(xyz_m / VOXEL_M).astype(np.int64) + 4096
    key = (cell[:, 0] * 8192 + cell[:, 1]) * 8192 + cell[:, 2]
    nearest_first = np.argsort(depth_m, kind="stable")
    _, first = np.unique(key[nearest_first], return_index=True)
    kept = np.sort(nearest_first[first])
    return RoomCloud(xyz_m[kept].astype(np.float32), rgb[kept], class_id[kept], instance[kept])


def _points(shot: RoomShot) -> tuple[np.ndarray, ...]:
    depth_m = shot.measured_depth_m.ravel()
    rows = np.flatnonzero((depth_m > 0) & (depth_m < _FUSED_M))
    width = shot.measured_depth_m.shape[1]
    uv_px = np.stack([rows % width, rows // width], axis=1)
    xyz_cam_m = room_camera(width).unproject(uv_px, depth_m[rows])
    picture = shot.picture
    return (
        shot.T_room_cam.apply(xyz_cam_m),
        depth_m[rows],
        picture.rgb.reshape(-1, 3)[rows],
        picture.class_id.ravel()[rows],
        picture.instance.ravel()[rows],
    )
