"""Boxes3d: the one form that boxes have in this code."""

from dataclasses import dataclass, replace

import numpy as np

from lidar_vl_core.foundation.errors import BadBoxes


@dataclass(frozen=True)
class Boxes3d:
    """Boxes in one frame whose z axis points up.

    Length lies along the heading, width across it, height along z. The heading is yaw turned from +x towards +y.
    Raises BadBoxes for arrays that do not belong together, numbers that are not finite, or a size below zero.
    """

    boxes: np.ndarray  # (N, 7) float64: x, y, z of the centre, length, width, height in metres, yaw in radians
    class_id: np.ndarray  # (N,) uint8, a row of the class table; 255 = none of its classes
    score: np.ndarray  # (N,) float32, 0..1; ones where a person drew the boxes
    velocity_mps: np.ndarray  # (N, 2) float32 along x and y of the frame; NaN = not known
    frame_id: str  # e.g. "lidar_top"

    def __post_init__(self) -> None:
        count = len(self.boxes)
        _require("boxes", self.boxes, (count, 7), np.float64)
        _require("class_id", self.class_id, (count,), np.uint8)
        _require("score", self.score, (count,), np.float32)
        _require("velocity_mps", self.velocity_mps, (count, 2), np.float32)
        require_boxes(self.boxes)

    def __len__(self) -> int:
        return len(self.boxes)

    @staticmethod
    def of(
        boxes: np.ndarray,
        class_id: np.ndarray,
        score: np.ndarray | None = None,
        velocity_mps: np.ndarray | None = None,
        frame_id: str = "",
    ) -> "Boxes3d":
        """Boxes from arrays of any number type; scores default to 1, velocities to unknown.

        boxes: (M, 7) centre, size in metres and yaw in radians; class_id, score: (M,); velocity_mps: (M, 2).
        """
        boxes = np.asarray(boxes, np.float64).reshape(-1, 7)
        count = len(boxes)
        return Boxes3d(
            boxes,
            np.asarray(class_id, np.uint8),
            np.ones(count, np.float32) if score is None else np.asarray(score, np.float32),
            np.full((count, 2), np.nan, np.float32) if velocity_mps is None else np.asarray(velocity_mps, np.float32),
            frame_id,
        )

    def taken(self, rows: np.ndarray) -> "Boxes3d":
        """The boxes of a mask (N,) bool or of row numbers (M,), in that order."""
        return replace(
            self,
            boxes=self.boxes[rows],
            class_id=self.class_id[rows],
            score=self.score[rows],
            velocity_mps=self.velocity_mps[rows],
        )


def require_boxes(boxes: np.ndarray) -> np.ndarray:
    """The boxes (N, 7) as float64. Raises BadBoxes for another shape, numbers that are not finite, or a size below zero."""
    if boxes.ndim != 2 or boxes.shape[1] != 7:
        raise BadBoxes(f"boxes: expected shape (N, 7), found {boxes.shape}. Give x, y, z, length, width, height, yaw.")
    wide = boxes.astype(np.float64, copy=False)
    for wrong, what in (
        (~np.isfinite(wide).all(axis=1), "finite numbers"),
        ((wide[:, 3:6] < 0).any(axis=1), "sizes >= 0"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise BadBoxes(f"boxes: expected {what}, found {wide[row].tolist()} in row {row}. Leave such boxes out.")
    return wide


def numbers_of_boxes(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array of a file of boxes as float64. Raises BadBoxes for another shape or numbers that are not finite."""
    if array.shape != shape:
        raise BadBoxes(f"{name}: expected shape {shape}, found {array.shape}. Give one row for each box.")
    wide = array.astype(np.float64)
    finite = np.isfinite(wide).all(axis=tuple(range(1, wide.ndim)))
    if not finite.all():
        row = int(np.argmin(finite))
        raise BadBoxes(
            f"{name}: expected finite numbers, found {wide[row].tolist()} in row {row}. Leave such boxes out."
        )
    return wide


def _require(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: type) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise BadBoxes(
            f"{name}: expected {np.dtype(dtype)} {shape}, found {array.dtype} {array.shape}. Convert it before."
        )
