"""Boxes in another frame: their centres move, their headings turn, their sizes stay."""

from dataclasses import replace

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d, require_boxes
from lidar_vl_core.foundation.errors import BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform

_MOST_TILT_DEG = 30.0  # the steepest streets have 20; a camera's frame is turned by 90


def boxes_in_frame(boxes: Boxes3d, T_target_source: RigidTransform, frame_id: str) -> Boxes3d:
    """The boxes of the source frame in the target frame, which gets the name frame_id; raises as transformed_boxes().

    A velocity is turned, not made relative to a frame that moves; the part of it that leaves the plane of x and y is lost.
    """
    flat_mps = np.column_stack([boxes.velocity_mps.astype(np.float64), np.zeros(len(boxes))])
    with np.errstate(invalid="ignore"):  # NaN is a velocity that nobody knows
        velocity_mps = flat_mps @ T_target_source.rotation.T
    return replace(
        boxes,
        boxes=transformed_boxes(boxes.boxes, T_target_source),
        velocity_mps=velocity_mps[:, :2].astype(np.float32),
        frame_id=frame_id,
    )


def transformed_boxes(boxes: np.ndarray, T_target_source: RigidTransform) -> np.ndarray:
    """(N, 7) float64 boxes (N, 7) of the source frame in the target frame, yaw in -pi..pi.

    The yaw is that of the heading, turned as a vector and seen from above: exact for frames that share their z axis, off
    by up to a quarter of the tilt's square (radians) for others, as boxes stand upright in both.
    Raises BadBoxes for boxes that cannot be, BadTransform where z is tilted by more than 30 degrees.
    """
    wide = require_boxes(boxes)
    require_upright(T_target_source.rotation[2])
    heading = heading_of(wide[:, 6]) @ T_target_source.rotation.T
    return np.column_stack([T_target_source.apply(wide[:, :3]), wide[:, 3:6], yaw_of(heading)])


def require_upright(up_in_source: np.ndarray) -> None:
    """Raise BadTransform where the target's z axis, seen in the source frame (3,), leans more than 30 degrees from z."""
    tilt_deg = float(np.degrees(np.arccos(np.clip(up_in_source[2], -1.0, 1.0))))
    if tilt_deg > _MOST_TILT_DEG:
        raise BadTransform(
            f"boxes: expected boxes upright in both frames, found one tilted by {tilt_deg:.1f} degrees against the other. "
            "Check the transform and its order: T_target_source."
        )


def heading_of(yaw_rad: np.ndarray) -> np.ndarray:
    """(N, 3) unit vectors along the lengths of boxes with yaw (N,)."""
    return np.stack([np.cos(yaw_rad), np.sin(yaw_rad), np.zeros(len(yaw_rad))], axis=1)


def yaw_of(heading: np.ndarray) -> np.ndarray:
    """(N,) yaw in -pi..pi of vectors (N, 3), seen from above."""
    return np.arctan2(heading[:, 1], heading[:, 0])
