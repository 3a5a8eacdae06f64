"""Maps of an anchor head (SECOND, first stage of PV-RCNN) to boxes; the same numbers in training and on the robot."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.box_heads.anchors import CODE_NUMBERS, boxes_of_codes
from lidar_vl_core.box_heads.map_scores import sigmoid
from lidar_vl_core.box_heads.selection import BoxSelection, best_rows, without_overlaps
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.foundation.errors import BadBoxes

DIRECTION_OFFSET_RAD = 0.78539  # where the first of the two half turns begins (OpenPCDet's DIR_OFFSET)
_HALF_TURN = np.pi


@dataclass(frozen=True)
class AnchorMaps:
    """The output of an anchor head for one scan: each array has H x W cells with A anchors (kinds x yaws) each."""

    class_logit: np.ndarray  # (A * K, H, W)
    code: np.ndarray  # (A * 7, H, W)
    direction_logit: np.ndarray  # (A * 2, H, W): heading within one half turn, or within the other


def boxes_of_anchor_maps(
    maps: AnchorMaps, anchors: np.ndarray, class_ids: tuple[int, ...], selection: BoxSelection
) -> Boxes3d:
    """The boxes of one scan, the best first.

    anchors: (H, W, kinds, yaws, 7); class_ids: of the K scores of an anchor, the best of which is the box's. A box whose
    numbers are not finite is left out. Raises BadBoxes for maps that do not belong to the anchors.
    """
    logit = _by_anchor(maps.class_logit, anchors, len(class_ids), "class_logit")
    code = _by_anchor(maps.code, anchors, CODE_NUMBERS, "code")
    direction = _by_anchor(maps.direction_logit, anchors, 2, "direction_logit")
    best = logit.argmax(axis=1)
    score = sigmoid(np.take_along_axis(logit, best[:, None], axis=1)[:, 0])
    rows = best_rows(score, score >= selection.least_scores(class_ids)[best], selection)
    boxes = boxes_of_codes(code[rows], anchors.reshape(-1, CODE_NUMBERS)[rows])
    boxes[:, 6] = turned_by_direction(boxes[:, 6], direction[rows].argmax(axis=1))
    finite = np.isfinite(boxes).all(axis=1)
    class_id = np.array(class_ids, np.uint8)[best[rows]]
    return without_overlaps(Boxes3d.of(boxes[finite], class_id[finite], score[rows][finite]), selection)


def turned_by_direction(yaw_rad: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The heading of each box, -pi..pi: its axis (N,) within the half turn (N,) 0 or 1 that the direction names."""
    with np.errstate(invalid="ignore"):
        axis = (yaw_rad - DIRECTION_OFFSET_RAD) % _HALF_TURN + DIRECTION_OFFSET_RAD
        turned = axis + _HALF_TURN * direction
        return (turned + _HALF_TURN) % (2 * _HALF_TURN) - _HALF_TURN


def _by_anchor(values: np.ndarray, anchors: np.ndarray, numbers: int, name: str) -> np.ndarray:
    """(H * W * A, numbers) from a map (A * numbers, H, W)."""
    height, width, kinds, yaws, _ = anchors.shape
    if values.shape != (kinds * yaws * numbers, height, width):
        raise BadBoxes(
            f"{name}: expected shape {(kinds * yaws * numbers, height, width)} for these anchors, found {values.shape}. "
            "Use the anchors that the network was trained with."
        )
    return values.transpose(1, 2, 0).reshape(-1, numbers)
