"""One frame as nuScenes' detection benchmark judges it: which boxes count, and the errors of a match.

Source: Caesar et al. 2020, nuScenes, section 3.1, and the rules of its detection task (range by class, boxes without points,
bicycles in racks).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d, require_boxes
from lidar_vl_core.foundation.errors import BadBoxes
from lidar_vl_core.foundation.near_names import did_you_mean

RANGE_M: Mapping[str, float] = {
    "car": 50.0,
    "truck": 50.0,
    "bus": 50.0,
    "trailer": 50.0,
    "construction_vehicle": 50.0,
    "pedestrian": 40.0,
    "motorcycle": 40.0,
    "bicycle": 40.0,
    "traffic_cone": 30.0,
    "barrier": 30.0,
}
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("car", "truck", "bus", "trailer", "construction_vehicle"),
        ("vehicle.moving", "vehicle.parked", "vehicle.stopped"),
    ),
    "pedestrian": ("pedestrian.moving", "pedestrian.sitting_lying_down", "pedestrian.standing"),
    **dict.fromkeys(("motorcycle", "bicycle"), ("cycle.with_rider", "cycle.without_rider")),
    **dict.fromkeys(("traffic_cone", "barrier"), ()),
}
MOST_BOXES = 500  # predictions in one frame
_KEPT_IN_RACKS = ("motorcycle", "bicycle")


def _origin() -> np.ndarray:
    return np.zeros(2)


def _no_racks() -> np.ndarray:
    return np.zeros((0, 7))


@dataclass(frozen=True)
class NuscenesFrame:
    """Truth and predictions of one frame, in one frame of reference whose z axis points up.

    Without attributes (a "" for each box, or none at all) no box has an attribute error.
    """

    truth: Boxes3d
    found: Boxes3d
    vehicle_xy_m: np.ndarray = field(default_factory=_origin)  # (2,), where the vehicle stands in that frame
    truth_points: np.ndarray | None = None  # (T,) LiDAR and radar points in each true box; a box with 0 does not count
    truth_attribute: tuple[str, ...] | None = None  # (T,), "" = not known
    found_attribute: tuple[str, ...] | None = None  # (P,)
    bike_racks: np.ndarray = field(default_factory=_no_racks)  # (R, 7)

    def __post_init__(self) -> None:
        """Raise BadBoxes where the parts do not fit the boxes, a size is 0, or there are too many predictions."""
        if len(self.found) > MOST_BOXES:
            raise BadBoxes(
                f"expected at most {MOST_BOXES} predictions in a frame, found {len(self.found)}. Keep the most confident ones."
            )
        for name, boxes, parts in (
            ("truth_points", self.truth, self.truth_points),
            ("truth_attribute", self.truth, self.truth_attribute),
            ("found_attribute", self.found, self.found_attribute),
        ):
            if parts is not None and len(parts) != len(boxes):
                raise BadBoxes(f"{name}: expected {len(boxes)}, one per box, found {len(parts)}.")
        require_attributes((*(self.truth_attribute or ()), *(self.found_attribute or ())))
        for boxes in (self.truth, self.found):
            flat = (boxes.boxes[:, 3:6] == 0.0).any(axis=1)
            if flat.any():
                row = int(np.argmax(flat))
                raise BadBoxes(
                    f"boxes: expected sizes > 0, found {boxes.boxes[row].tolist()} in row {row}. Leave such boxes out."
                )
        require_boxes(self.bike_racks)

    def counted_truth(self, class_name: str, class_id: int) -> np.ndarray:
        """(K,) rows of the true boxes of a class that count."""
        counted = self._in_range(self.truth, class_name, class_id)
        if self.truth_points is not None:
            counted &= np.asarray(self.truth_points) != 0
        return np.flatnonzero(counted)

    def counted_found(self, class_name: str, class_id: int) -> np.ndarray:
        """(K,) rows of the predictions of a class that count."""
        return np.flatnonzero(self._in_range(self.found, class_name, class_id))

    def errors(self, class_name: str, found: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """(M, 5) errors of matched rows (M,): translation (m), scale, orientation (rad), velocity (m/s), attribute; NaN = not known."""
        ours, theirs = self.found.boxes[found], self.truth.boxes[truth]
        speed_mps = self.found.velocity_mps[found].astype(float) - self.truth.velocity_mps[truth].astype(float)
        return np.stack(
            [
                np.linalg.norm(ours[:, :2] - theirs[:, :2], axis=1),
                1.0 - _size_iou(ours[:, 3:6], theirs[:, 3:6]),
                # A barrier looks the same from both sides.
                _angle_between(theirs[:, 6], ours[:, 6], period=np.pi if class_name == "barrier" else 2 * np.pi),
                np.linalg.norm(speed_mps, axis=1),
                self._attribute_error(found, truth),
            ],
            axis=1,
        )

    def _in_range(self, boxes: Boxes3d, class_name: str, class_id: int) -> np.ndarray:
        counted = boxes.class_id == class_id
        counted &= np.linalg.norm(boxes.boxes[:, :2] - self.vehicle_xy_m, axis=1) < RANGE_M[class_name]
        if class_name in _KEPT_IN_RACKS:
            counted &= ~_inside_any(boxes.boxes[:, :3], self.bike_racks)
        return counted

    def _attribute_error(self, found: np.ndarray, truth: np.ndarray) -> np.ndarray:
        if self.truth_attribute is None:
            return np.full(len(found), np.nan)
        ours = [""] * len(self.found) if self.found_attribute is None else self.found_attribute
        theirs = self.truth_attribute
        return np.array(
            [np.nan if not theirs[t] else float(theirs[t] != ours[p]) for p, t in zip(found, truth, strict=True)]
        )


def require_attributes(attributes: Iterable[str]) -> None:
    """Raise BadBoxes for an attribute that is neither nuScenes' nor "" (none)."""
    known = sorted({name for names in ATTRIBUTES.values() for name in names})
    unknown = sorted(set(attributes) - {"", *known})
    if unknown:
        raise BadBoxes(
            f"attribute: expected one of {', '.join(known)}, found {unknown[0]!r}.{did_you_mean(unknown[0], known)}"
        )


def _size_iou(a_m: np.ndarray, b_m: np.ndarray) -> np.ndarray:
    """(M,) IoU of boxes of sizes (M, 3) laid over each other."""
    shared = np.minimum(a_m, b_m).prod(axis=1)
    return shared / (a_m.prod(axis=1) + b_m.prod(axis=1) - shared)


def _angle_between(a_rad: np.ndarray, b_rad: np.ndarray, period: float) -> np.ndarray:
    return np.abs((a_rad - b_rad + period / 2) % period - period / 2)


def _inside_any(xyz_m: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N,) bool: points (N, 3) in any of the boxes (R, 7), faces included."""
    offset = xyz_m[:, None] - boxes[None, :, :3]  # (N, R, 3)
    cos, sin = np.cos(boxes[:, 6]), np.sin(boxes[:, 6])
    along = offset[..., 0] * cos + offset[..., 1] * sin
    across = offset[..., 1] * cos - offset[..., 0] * sin
    own = np.stack([along, across, offset[..., 2]], axis=2)
    return (np.abs(own) <= boxes[None, :, 3:6] / 2).all(axis=2).any(axis=1)
