"""What every box metric requires: the same frames on both sides, classes that are known, scores in 0..1."""

from collections.abc import Collection

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.foundation.errors import BadBoxes

_NAMED = 3  # frames that a message names; the rest is counted


def require_same_frames(truth: Collection[str], found: Collection[str]) -> None:
    """Raise BadBoxes where frames have a truth and no predictions (an empty list would be one), or the reverse."""
    for wanted, given, what, advice in (
        (truth, found, "predictions", "Give an empty list where nothing was found."),
        (found, truth, "a truth", "Evaluate the frames of one split."),
    ):
        missing = sorted(set(wanted) - set(given))
        if missing:
            named = ", ".join(missing[:_NAMED]) + (f" and {len(missing) - _NAMED} more" if missing[_NAMED:] else "")
            raise BadBoxes(f"expected {what} for every frame, found none for {named}. {advice}")


def require_scores(score: np.ndarray) -> None:
    """Raise BadBoxes unless all scores (N,) are in 0..1."""
    wrong = ~((score >= 0.0) & (score <= 1.0))  # NaN, too
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BadBoxes(f"score: expected 0 to 1, found {score[row]} in row {row}. Give probabilities.")


def require_judgeable(boxes: Boxes3d, classes: ClassTable) -> None:
    """Raise BadBoxes unless every box has a class of the table, or 255 for no class, and a score in 0..1."""
    unknown = (boxes.class_id >= len(classes)) & (boxes.class_id != IGNORE_ID)
    if unknown.any():
        row = int(np.argmax(unknown))
        raise BadBoxes(
            f"class_id: expected 0 to {len(classes) - 1} (the classes of {classes.name}), found {boxes.class_id[row]} in "
            f"row {row}. Use the class table that the boxes were made with."
        )
    require_scores(boxes.score)


def require_one_frame(truth: Boxes3d, found: Boxes3d) -> None:
    """Raise BadBoxes unless truth and predictions are told in one frame of reference."""
    if truth.frame_id != found.frame_id:
        raise BadBoxes(
            f"expected boxes in one frame, found the truth in {truth.frame_id!r} and the predictions in "
            f"{found.frame_id!r}. Move one of them."
        )
