"""Straight lines in a camera's image: clipped behind the camera and at the edges of the image."""

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel

_NEAREST_M = 0.1  # nearer to the plane of the camera a line has no place in the image
_PIECES = 16  # of a line that a lens bends


def segments_in_front(segments_cam_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parts of segments (M, 2, 3) in the optical frame that are at least 0.1 m in front: (K, 2, 3), and their rows (K,)."""
    segments = np.asarray(segments_cam_m, np.float64)
    depth_m = segments[:, :, 2]
    row = np.flatnonzero(depth_m.max(axis=1, initial=-np.inf) > _NEAREST_M)
    segments, depth_m = segments[row], depth_m[row]
    ahead_m = depth_m - _NEAREST_M
    reach_m = np.where(ahead_m[:, 0] == ahead_m[:, 1], 1.0, ahead_m[:, 0] - ahead_m[:, 1])
    crossing = segments[:, 0] + (ahead_m[:, 0] / reach_m)[:, None] * (segments[:, 1] - segments[:, 0])
    return np.where((ahead_m < 0.0)[:, :, None], crossing[:, None], segments), row


def project_segments(camera: CameraModel, segments_cam_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a camera sees of segments (M, 2, 3) in its optical frame: pieces (K, 2, 2) in pixels, all inside the image, and their rows (K,).

    A line that the lens bends comes in short pieces; parts beyond the lens' field are left out.
    """
    in_front, row = segments_in_front(segments_cam_m)
    pieces = 1 if camera.distortion.is_none else _PIECES
    share = np.linspace(0.0, 1.0, pieces + 1)[None, :, None]
    along = in_front[:, :1] + share * (in_front[:, 1:] - in_front[:, :1])  # (K, pieces + 1, 3)
    uv_px = camera.project(along.reshape(-1, 3))[0].reshape(len(in_front), pieces + 1, 2)
    ends_px = np.stack([uv_px[:, :-1], uv_px[:, 1:]], axis=2).reshape(-1, 2, 2)
    row = np.repeat(row, pieces)
    known = np.isfinite(ends_px).all(axis=(1, 2))
    inside, kept = _inside(ends_px[known], camera.width, camera.height)
    return inside, row[known][kept]


def _inside(segments_px: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The parts of segments (M, 2, 2) inside the image, and which of them there are; source: Liang and Barsky 1984."""
    start, step = segments_px[:, 0], segments_px[:, 1] - segments_px[:, 0]
    enter, leave = np.zeros(len(start)), np.ones(len(start))
    kept = np.ones(len(start), bool)
    for axis, size in enumerate((width, height)):
        for towards, room in (
            (-step[:, axis], start[:, axis] + 0.5),
            (step[:, axis], size - 0.5 - start[:, axis]),
        ):
            with np.errstate(divide="ignore", invalid="ignore"):
                at = room / towards
            enter = np.where(towards < 0, np.maximum(enter, at), enter)
            leave = np.where(towards > 0, np.minimum(leave, at), leave)
            kept &= (towards != 0) | (room >= 0)
    kept &= enter < leave
    start, step, enter, leave = start[kept], step[kept], enter[kept, None], leave[kept, None]
    return np.stack([start + enter * step, start + leave * step], axis=1), kept
