"""Maps of a center head (CenterPoint: Yin et al., CVPR 2021) to boxes; the same numbers in training and on the robot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.box_heads.map_scores import sigmoid
from lidar_vl_core.box_heads.selection import BoxSelection, best_rows, without_overlaps
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.foundation.errors import BadBoxes

# Maps of one group and their channels. The velocity may be missing; the heat map has one channel per class.
REGRESSION = {"center": 2, "center_z": 1, "dim": 3, "rot": 2}
VELOCITY, HEAT = "vel", "hm"
_AROUND = 1  # cells: a centre scores highest among its neighbours


@dataclass(frozen=True)
class CenterGrid:
    """Position and size of the cells of a map."""

    x_min_m: float
    y_min_m: float
    cell_m: tuple[float, float]  # along x and y


def boxes_of_center_maps(
    maps: Mapping[str, np.ndarray], grid: CenterGrid, class_ids: tuple[int, ...], selection: BoxSelection
) -> Boxes3d:
    """The boxes of one group of classes in one scan, the best first: of those at local maxima of the heat map.

    maps: "hm" (classes, H, W) logits; "center" (2, H, W) cells behind the lower corner of a cell; "center_z" (1, H, W) m;
    "dim" (3, H, W) logarithms of length, width, height in m; "rot" (2, H, W) cosine and sine of the yaw; and where the
    network tells it "vel" (2, H, W) m/s along x and y. class_ids: of the channels of the heat map. A box whose numbers are
    not finite is left out. Raises BadBoxes for maps that do not belong together.
    """
    _require_shapes(maps, len(class_ids))
    score = sigmoid(maps[HEAT])
    high = score >= selection.least_scores(class_ids)[:, None, None]
    picked = best_rows(score, high & _is_local_maximum(score), selection)
    channel, row, column = np.unravel_index(picked, score.shape)
    value = {name: array[:, row, column].T.astype(np.float64) for name, array in maps.items() if name != HEAT}
    with np.errstate(over="ignore"):
        boxes = np.column_stack(
            [
                (column + value["center"][:, 0]) * grid.cell_m[0] + grid.x_min_m,
                (row + value["center"][:, 1]) * grid.cell_m[1] + grid.y_min_m,
                value["center_z"],
                np.exp(value["dim"]),
                np.arctan2(value["rot"][:, 1], value["rot"][:, 0]),
            ]
        )
    finite = np.isfinite(boxes).all(axis=1)
    velocity = value[VELOCITY][finite] if VELOCITY in value else None
    class_id = np.array(class_ids, np.uint8)[channel]
    candidates = Boxes3d.of(boxes[finite], class_id[finite], score.reshape(-1)[picked][finite], velocity)
    return without_overlaps(candidates, selection)


def joined_groups(groups: Sequence[Boxes3d]) -> Boxes3d:
    """The boxes of all groups of one scan, the best first, the earlier group first among equals."""
    score = np.concatenate([group.score for group in groups])
    joined = Boxes3d.of(
        np.concatenate([group.boxes for group in groups]),
        np.concatenate([group.class_id for group in groups]),
        score,
        np.concatenate([group.velocity_mps for group in groups]),
    )
    return joined.taken(np.argsort(-score, kind="stable"))


def _is_local_maximum(score: np.ndarray) -> np.ndarray:
    """(C, H, W) bool: no neighbour in the map of the same class scores higher."""
    padded = np.pad(score, ((0, 0), (_AROUND, _AROUND), (_AROUND, _AROUND)), constant_values=-np.inf)
    _, height, width = score.shape
    steps = range(2 * _AROUND + 1)
    along_x = np.maximum.reduce([padded[:, :, step : step + width] for step in steps])
    return score >= np.maximum.reduce([along_x[:, step : step + height] for step in steps])


def _require_shapes(maps: Mapping[str, np.ndarray], classes: int) -> None:
    channels = {HEAT: classes, **REGRESSION, **({VELOCITY: 2} if VELOCITY in maps else {})}
    size = maps[HEAT].shape[1:] if HEAT in maps else ()
    expected = {name: (count, *size) for name, count in channels.items()}
    found = {name: array.shape for name, array in maps.items()}
    if found != expected:
        raise BadBoxes(f"center maps: expected {expected}, found {found}. Give the maps of one group of one scan.")
