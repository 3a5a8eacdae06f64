"""Boxes found in one cloud as a list, .json or .csv. Writes files."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import write_text

SUFFIXES = (".json", ".csv")
_COLUMNS = (
    "class", "score", "x_m", "y_m", "z_m", "length_m", "width_m", "height_m", "yaw_rad", "velocity_x_mps",
    "velocity_y_mps",
)  # fmt: skip
_DIGITS = 4  # tenths of a millimetre


def require_box_list(path: Path) -> None:
    """Raise BadRequest for a file name that write_box_list() does not support."""
    if path.suffix.lower() not in SUFFIXES:
        raise BadRequest(f"{path}: expected a name ending in {' or '.join(SUFFIXES)}. Rename it.")


def write_box_list(path: Path, boxes: Boxes3d, classes: ClassTable, stamp_ns: int) -> None:
    """Write the boxes, the best first as they come: centre, size and yaw in their frame. Raises BadRequest as require_box_list().

    A .csv has a line for each box below its header, an unknown velocity being empty. A .json has frame_id, stamp_ns,
    class_table and boxes, an unknown velocity being null.
    """
    require_box_list(path)
    rows = _rows(boxes, classes)
    if path.suffix.lower() == ".csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *rows])
        write_text(path, text.getvalue())
        return
    told = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    content = {
        "frame_id": boxes.frame_id,
        "stamp_ns": stamp_ns,
        "class_table": classes.name,
        "boxes": told,
    }
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _rows(boxes: Boxes3d, classes: ClassTable) -> list[list[Any]]:
    numbers = np.column_stack([boxes.score, boxes.boxes, boxes.velocity_mps]).astype(np.float64)
    rows = []
    for class_id, row in zip(boxes.class_id.tolist(), numbers.tolist(), strict=True):
        rows.append(
            [classes.names[class_id], *(round(value, _DIGITS) if np.isfinite(value) else None for value in row)]
        )
    return rows
