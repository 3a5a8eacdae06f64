"""Boxes that people draw in their own clouds: a text file a cloud, a line a box, as OpenPCDet's custom data set has them."""

from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d, require_boxes
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.errors import BadBoxes, BadDataset, BadLabels
from lidar_vl_core.foundation.files import read_small_text

_COLUMNS = "x y z length width height yaw class, and perhaps vx vy"
_BOX, _WITH_VELOCITY = 8, 10
_LONGEST_NAME = 80


def read_box_lines(path: Path, classes: ClassTable, frame_id: str) -> Boxes3d:
    """The boxes of a file in metres, radians and metres per second of the cloud's own frame; an empty file has none.

    Raises BadDataset naming file and line for other columns, words instead of numbers, and classes that the table lacks.
    """
    try:
        lines = read_small_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise BadDataset(f"{path}: expected lines of boxes, found: {error}. Write it again.") from error
    boxes, class_id, velocity = [], [], []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) not in (_BOX, _WITH_VELOCITY):
            raise BadDataset(
                f"{path}, line {number}: expected {_COLUMNS}, found {len(words)} words. Write one box a line."
            )
        try:
            class_id.append(classes.id_of(words[7][:_LONGEST_NAME]))
            boxes.append([float(word) for word in words[:7]])
            velocity.append([float(word) for word in words[8:]] or [np.nan, np.nan])
            require_boxes(np.array(boxes[-1:]))
        except (ValueError, BadLabels, BadBoxes) as error:
            raise BadDataset(f"{path}, line {number}: expected {_COLUMNS}, found: {str(error)[:600]}") from error
    return Boxes3d.of(
        np.array(boxes, np.float64),
        np.array(class_id, np.uint8),
        velocity_mps=np.array(velocity).reshape(-1, 2),
        frame_id=frame_id,
    )
