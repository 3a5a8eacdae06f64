"""Predicted boxes as KITTI's evaluator and server want them: in the camera's frame, with a 2D box and an observation angle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.corners import box_corners
from lidar_vl_core.boxes.kitti import kitti_of_boxes, observation_angle
from lidar_vl_core.boxes.kitti_objects import DONT_CARE, KINDS, KittiObjects, write_kitti_objects
from lidar_vl_core.cameras.line_segments import segments_in_front
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.detection.judged_boxes import require_judgeable
from lidar_vl_core.foundation.errors import BadCalibration, BadLabels
from lidar_vl_core.geometry.rigid_transform import RigidTransform

_KIND_BY_LETTERS = {kind.lower(): kind for kind in KINDS if kind != DONT_CARE}
_PAIRS = np.stack(np.triu_indices(8, 1), axis=1)  # lines between all corners: their ends span what is seen of a box


@dataclass(frozen=True, eq=False)
class KittiCamera:
    """The left colour camera of an image, from its calibration file."""

    T_cam_lidar: RigidTransform  # into the rectified frame of camera 0: R0_rect @ Tr_velo_to_cam
    P2: np.ndarray  # (3, 4) float64, from that frame to pixels
    width: int
    height: int

    def __post_init__(self) -> None:
        """Raise BadCalibration unless P2 is a projection."""
        if self.P2.shape != (3, 4) or not np.isfinite(self.P2).all():
            raise BadCalibration(f"P2: expected 3 x 4 finite numbers, found {self.P2.tolist()}. Read the file again.")


def kitti_predictions(boxes: Boxes3d, classes: ClassTable, camera: KittiCamera) -> KittiObjects:
    """The boxes of the LiDAR's frame that are in the image, as KITTI objects; boxes outside the image have no label there.

    Classes are told by their names in any case (car is Car); boxes of no class (255) are left out. The 2D box is that of
    the corners, cut at the image's edges. Raises BadLabels for a class that KITTI does not have, BadBoxes for scores
    outside 0..1.
    """
    unknown = [name for name in classes.names if name.lower() not in _KIND_BY_LETTERS]
    if unknown:
        raise BadLabels(
            f"class table {classes.name}: expected KITTI's types ({', '.join(_KIND_BY_LETTERS.values())}), found "
            f"{', '.join(unknown)}. Map the boxes to these."
        )
    require_judgeable(boxes, classes)
    boxes = boxes.taken(boxes.class_id < len(classes))
    bbox_px, in_picture = _boxes_in_picture(boxes.boxes, camera)
    boxes, bbox_px = boxes.taken(in_picture), bbox_px[in_picture]
    rows = kitti_of_boxes(boxes.boxes, camera.T_cam_lidar)
    return KittiObjects(
        kind=np.array([_KIND_BY_LETTERS[classes.names[class_id].lower()] for class_id in boxes.class_id], str),
        truncated=np.full(len(boxes), -1.0),
        occluded=np.full(len(boxes), -1),
        alpha_rad=observation_angle(rows),
        bbox_px=bbox_px,
        size_hwl_m=rows[:, :3],
        bottom_m=rows[:, 3:6],
        turned_rad=rows[:, 6],
        score=boxes.score.astype(np.float64),
    )


def write_kitti_predictions(folder: Path, predictions: Mapping[str, KittiObjects]) -> None:
    """Write NAME.txt for every image, an empty one where nothing was found: a submission needs a file for each."""
    for name, objects in predictions.items():
        write_kitti_objects(folder / f"{name}.txt", objects)


def _boxes_in_picture(boxes: np.ndarray, camera: KittiCamera) -> tuple[np.ndarray, np.ndarray]:
    """(N, 4) left, top, right, bottom in pixels, and the rows (K,) of those that the image shows."""
    corners_cam_m = camera.T_cam_lidar.apply(box_corners(boxes).reshape(-1, 3)).reshape(-1, 8, 3)
    in_front, row = segments_in_front(corners_cam_m[:, _PAIRS].reshape(-1, 2, 3))
    projected = in_front.reshape(-1, 3) @ camera.P2[:, :3].T + camera.P2[:, 3]
    uv_px = projected[:, :2] / projected[:, 2:]
    box = np.repeat(row // len(_PAIRS), 2)
    low, high = np.full((len(boxes), 2), np.inf), np.full((len(boxes), 2), -np.inf)
    np.minimum.at(low, box, uv_px)
    np.maximum.at(high, box, uv_px)
    last = np.array([camera.width - 1.0, camera.height - 1.0])
    seen = np.flatnonzero((low < last).all(axis=1) & (high > 0.0).all(axis=1))
    return np.concatenate([low.clip(0.0, last), high.clip(0.0, last)], axis=1), seen
