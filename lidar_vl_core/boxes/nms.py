"""Non-maximum suppression (NMS): of boxes around the same object, the one with the best score is kept.

Boxes are taken by falling score, those of one score by their row; a box goes where one that stays before it is too
near. The pre_max best are looked at and post_max stay at most, over all classes together, so that the work is bounded.
"""

import numpy as np

from lidar_vl_core.boxes.boxes3d import require_boxes
from lidar_vl_core.boxes.iou import flat_boxes
from lidar_vl_core.boxes.loops.overlap_loops import without_overlaps
from lidar_vl_core.foundation.errors import BadBoxes


def rotated_nms(
    boxes: np.ndarray,
    score: np.ndarray,
    iou_threshold: float,
    pre_max: int,
    post_max: int,
    class_id: np.ndarray | None = None,
) -> np.ndarray:
    """(K,) int64 rows of the boxes (N, 7) that stay, best first: none has a bird's-eye IoU above the threshold with a better one.

    score: (N,); class_id: (N,), with it boxes of unlike classes leave each other alone. Boxes of no area overlap nothing.
    Raises BadBoxes for boxes, scores or numbers that cannot be.
    """
    if not 0.0 <= iou_threshold <= 1.0:
        raise BadBoxes(
            f"iou_threshold: expected 0..1, found {iou_threshold}. Give the IoU above which a box is dropped."
        )
    rows, group = _best(require_boxes(boxes), score, class_id, pre_max, post_max)
    flat = flat_boxes(boxes[rows])
    kept = without_overlaps(flat, 4.0 * flat[:, 2] * flat[:, 3], group, float(iou_threshold), int(post_max))
    return rows[kept]


def _best(
    boxes: np.ndarray, score: np.ndarray, class_id: np.ndarray | None, pre_max: int, post_max: int
) -> tuple[np.ndarray, np.ndarray]:
    """(P,) int64 rows of the pre_max best scores, best first and the lower row first among equals, and their groups (P,)."""
    if min(pre_max, post_max) < 1:
        raise BadBoxes(f"pre_max and post_max: expected numbers >= 1, found {pre_max} and {post_max}.")
    for name, array in (("score", score), ("class_id", class_id)):
        if array is not None and array.shape != (len(boxes),):
            raise BadBoxes(f"{name}: expected shape ({len(boxes)},), one for each box, found {array.shape}.")
    wide = score.astype(np.float64)
    if not np.isfinite(wide).all():
        row = int(np.argmin(np.isfinite(wide)))
        raise BadBoxes(f"score: expected finite numbers, found {wide[row]} in row {row}. Leave such boxes out.")
    rows = np.arange(len(wide))
    if len(wide) > pre_max:  # sort few of many: all that are as good as the last one that may stay
        rows = np.flatnonzero(wide >= np.partition(wide, -pre_max)[-pre_max])
    rows = rows[np.argsort(-wide[rows], kind="stable")][:pre_max]
    group = np.zeros(len(rows), np.int64) if class_id is None else class_id[rows].astype(np.int64)
    return rows, group
