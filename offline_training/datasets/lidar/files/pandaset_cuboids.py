"""PandaSet's cuboids: a frame's boxes in the world of its sequence, from a JSON list of the rows of its table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.boxes.pandaset import PandaSetBoxes
from lidar_vl_core.classes.name_map import NameMap
from lidar_vl_core.foundation.errors import BadDataset, BadLabels
from lidar_vl_core.foundation.files import read_json

_NUMBERS = (
    "position_x", "position_y", "position_z", "dimensions_x", "dimensions_y", "dimensions_z", "yaw", "cuboids_sensor_id",
)  # fmt: skip
_LARGEST = 1e9  # farther or larger than anything on a road, and any sensor's number
_LONGEST_WORD = 100
_WORDS = ("uuid", "label", "cuboids_sibling_id")
_BOTH_SENSORS = -1  # of cuboids_sensor_id: one box for what both LiDARs see


@dataclass(frozen=True, eq=False)
class Cuboids:
    """The boxes of one frame, row by row as in its file."""

    boxes: PandaSetBoxes  # in the world
    class_id: np.ndarray  # (N,) uint8, 255 = none of the table's
    uuid: np.ndarray  # (N,) str, the same for a thing in all frames
    sibling: np.ndarray  # (N,) str, uuid of the box that the other LiDAR has of the same thing
    sensor: np.ndarray  # (N,) int64 whose box it is, -1 = both LiDARs'

    def of_sensor(self, sensor: int | None) -> np.ndarray:
        """(N,) bool: the boxes for the points of one LiDAR; None = for both, each thing once, by the spinning one's box."""
        if sensor is not None:
            return np.isin(self.sensor, (_BOTH_SENSORS, sensor))
        of_spinning = self.sensor == 0
        # Told by either of the two: some of PandaSet's sibling ids are cut short.
        has_sibling = np.isin(self.sibling, self.uuid[of_spinning]) | np.isin(self.uuid, self.sibling[of_spinning])
        return ~((self.sensor == 1) & has_sibling)


def read_cuboids(path: Path, names: NameMap) -> Cuboids:
    """The boxes of a file; raises BadDataset naming it and the invalid row."""
    try:
        rows = read_json(path)
    except (OSError, ValueError) as error:
        raise BadDataset(
            f"{path}: expected a JSON list of cuboids, found: {str(error)[:120]}. Convert the frame again."
        ) from error
    if not isinstance(rows, list):
        raise BadDataset(
            f"{path}: expected a JSON list of cuboids, found {type(rows).__name__}. Convert the frame again."
        )
    # A table written as it is has cuboids.sensor_id where others write cuboids_sensor_id.
    checked = [_checked(_flat(row), path, number) for number, row in enumerate(rows)]
    numbers = np.array([[row[key] for key in _NUMBERS] for row in checked], np.float64).reshape(-1, len(_NUMBERS))
    class_id = [_class_id(row["label"], names, path, number) for number, row in enumerate(checked)]
    return Cuboids(
        PandaSetBoxes(numbers[:, :3], numbers[:, 3:6], numbers[:, 6]),
        np.array(class_id, np.uint8),
        np.array([str(row["uuid"]) for row in checked], str),
        np.array([str(row["cuboids_sibling_id"]) for row in checked], str),
        numbers[:, 7].astype(np.int64),
    )


def _flat(row: object) -> dict[str, Any]:
    return {str(key).replace(".", "_"): value for key, value in row.items()} if isinstance(row, dict) else {}


def _checked(row: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    if missing := [key for key in (*_NUMBERS, *_WORDS) if key not in row]:
        raise BadDataset(
            f"{path}: row {number}: expected the columns of PandaSet's cuboids, found none called {missing[0]}. "
            "Convert the frame again."
        )
    for key in _NUMBERS:
        value = row[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
            raise BadDataset(
                f"{path}: row {number}: expected a finite number as {key}, found {repr(value)[:40]}. Leave such boxes out."
            )
    for key in _WORDS:  # numpy gives each the room of the longest
        if len(str(row[key])) > _LONGEST_WORD:
            raise BadDataset(
                f"{path}: row {number}: expected a word as {key}, found {repr(row[key])[:40]}. Convert the frame again."
            )
    return row


def _class_id(label: object, names: NameMap, path: Path, number: int) -> int:
    try:
        return names.class_id(str(label))
    except BadLabels as error:
        raise BadDataset(f"{path}: row {number}: {error}") from error
