"""Objects as in KITTI's label files, and reading and writing these files: 15 columns a line, 16 with a score. Touches the disk."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lidar_vl_core.foundation.errors import BadBoxes, BadLabels
from lidar_vl_core.foundation.files import read_small_text, write_text
from lidar_vl_core.foundation.near_names import did_you_mean

_LONGEST_KIND = 40
DONT_CARE = "DontCare"  # an area of the image where nobody looked: it has a 2D box alone
KINDS = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc", DONT_CARE)
NO_ALPHA = -10.0  # of predictions without an orientation
_LABEL_COLUMNS = 15
_KIND_BY_LETTERS = {kind.lower(): kind for kind in KINDS}


@dataclass(frozen=True, eq=False)
class KittiObjects:
    """The objects of one image, in the rectified frame of camera 0: x right, y down, z forward.

    Raises BadBoxes for arrays that do not belong together, numbers that are not finite, sizes below zero, or a 2D box
    whose edges are swapped; BadLabels for a kind that KITTI does not have.
    """

    kind: np.ndarray  # (N,) str, of KINDS
    truncated: np.ndarray  # (N,) float64, 0..1 = share outside the image; -1 = not known
    occluded: np.ndarray  # (N,) int64, 0 visible, 1 partly, 2 largely hidden, 3 not known; -1 = not told
    alpha_rad: np.ndarray  # (N,) float64, heading against the ray from the camera; -10 = not known
    bbox_px: np.ndarray  # (N, 4) float64: left, top, right, bottom
    size_hwl_m: np.ndarray  # (N, 3) float64: height, width, length
    bottom_m: np.ndarray  # (N, 3) float64: middle of the lower face
    turned_rad: np.ndarray  # (N,) float64, rotation_y: heading about y, from x towards -z
    score: np.ndarray | None = None  # (N,) float64; None where a person drew the boxes

    def __post_init__(self) -> None:
        """Raise BadLabels when arrays do not fit each other or values are out of range."""
        count = len(self.kind)
        for name, shape in _NUMBERS.items():
            values = getattr(self, name)
            if values.shape != (count, *shape):
                raise BadBoxes(
                    f"{name}: expected shape {(count, *shape)}, found {values.shape}. Give one row per object."
                )
            _require_rows(
                f"{name}: expected finite numbers",
                np.isfinite(values.reshape(count, int(np.prod(shape)))).all(axis=1),
                values,
            )
        if self.score is not None and self.score.shape != (count,):
            raise BadBoxes(f"score: expected shape {(count,)}, found {self.score.shape}. Give one per object.")
        unknown = sorted(set(self.kind.tolist()) - set(KINDS))
        if unknown:
            raise BadLabels(
                f"type: expected one of {', '.join(KINDS)}, found {unknown[0]!r}.{did_you_mean(unknown[0], KINDS)}"
            )
        edges_px = self.bbox_px
        in_order = (edges_px[:, 0] <= edges_px[:, 2]) & (edges_px[:, 1] <= edges_px[:, 3])
        _require_rows("bbox_px: expected left <= right and top <= bottom", in_order, edges_px)
        sized = (self.size_hwl_m >= 0.0).all(axis=1) | (self.kind == DONT_CARE)
        _require_rows("size_hwl_m: expected sizes >= 0", sized, self.size_hwl_m)

    def __len__(self) -> int:
        return len(self.kind)

    def taken(self, rows: np.ndarray) -> "KittiObjects":
        """The objects of a mask (N,) bool or of row numbers (M,), in that order."""
        numbers = {name: getattr(self, name)[rows] for name in _NUMBERS}
        return replace(self, kind=self.kind[rows], score=None if self.score is None else self.score[rows], **numbers)


_NUMBERS: Mapping[str, tuple[int, ...]] = {
    "truncated": (),
    "occluded": (),
    "alpha_rad": (),
    "bbox_px": (4,),
    "size_hwl_m": (3,),
    "bottom_m": (3,),
    "turned_rad": (),
}


def read_kitti_objects(path: Path) -> KittiObjects:
    """The objects of a label file, none for an empty one.

    Raises BadLabels naming file and line for another number of columns than 15 or 16, words instead of numbers, unknown
    kinds, and everything that a KittiObjects refuses.
    """
    try:
        lines = read_small_text(path, "ascii").splitlines()
    except (OSError, ValueError) as error:
        raise BadLabels(f"{path}: expected a label file of KITTI, found: {error}. Check the path.") from error
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    columns = len(rows[0][1]) if rows else _LABEL_COLUMNS
    for number, words in rows:
        if len(words) != columns or columns not in (_LABEL_COLUMNS, _LABEL_COLUMNS + 1):
            wanted = f"{columns} as in line {rows[0][0]}" if number != rows[0][0] else "15 columns, or 16 with a score"
            raise BadLabels(f"{path}, line {number}: expected {wanted}, found {len(words)}. Write one object per line.")
    numbers = np.array([_numbers(path, number, words[1:]) for number, words in rows]).reshape(-1, columns - 1)
    kinds = [  # cut: numpy gives each the room of the longest
        _KIND_BY_LETTERS.get(words[0].lower(), words[0][:_LONGEST_KIND]) for _, words in rows
    ]  # the official tool reads CAR as Car
    try:
        return _objects(kinds, numbers)
    except (BadBoxes, BadLabels) as error:
        line = next(row[0] for row, kind, each in zip(rows, kinds, numbers, strict=True) if not _is_object(kind, each))
        raise BadLabels(f"{path}, line {line}: {error}") from error


def read_kitti_folder(folder: Path) -> dict[str, KittiObjects]:
    """The objects of every NAME.txt of a folder, by name; raises BadLabels where there is none."""
    objects = {path.stem: read_kitti_objects(path) for path in sorted(folder.glob("*.txt"))}
    if not objects:
        raise BadLabels(f"{folder}: expected label files (000000.txt, ...), found none. Check the path.")
    return objects


def write_kitti_objects(path: Path, objects: KittiObjects) -> None:
    """Write a label file, of 16 columns where there are scores; no objects give an empty file, as a submission needs it."""
    scores = [()] * len(objects) if objects.score is None else objects.score[:, None].tolist()
    lines = []
    for row, score in enumerate(scores):
        numbers = (
            objects.alpha_rad[row],
            *objects.bbox_px[row],
            *objects.size_hwl_m[row],
            *objects.bottom_m[row],
            objects.turned_rad[row],
            *score,
        )
        told = " ".join(f"{number:.6f}" for number in numbers)
        lines.append(f"{objects.kind[row]} {objects.truncated[row]:.2f} {objects.occluded[row]:d} {told}\n")
    write_text(path, "".join(lines))


def _objects(kinds: list[str], numbers: np.ndarray) -> KittiObjects:
    """The objects of columns 2 and following (N, 14), (N, 15) with a score; raises what a KittiObjects refuses."""
    return KittiObjects(
        kind=np.array(kinds, str),
        truncated=numbers[:, 0],
        occluded=numbers[:, 1].astype(np.int64),
        alpha_rad=numbers[:, 2],
        bbox_px=numbers[:, 3:7],
        size_hwl_m=numbers[:, 7:10],
        bottom_m=numbers[:, 10:13],
        turned_rad=numbers[:, 13],
        score=numbers[:, 14] if numbers.shape[1] == _LABEL_COLUMNS else None,
    )


def _is_object(kind: str, numbers: np.ndarray) -> bool:
    try:
        return len(_objects([kind], numbers[None])) == 1
    except (BadBoxes, BadLabels):
        return False


def _numbers(path: Path, line: int, words: list[str]) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise BadLabels(f"{path}, line {line}: expected numbers after the type, found: {str(error)[:80]}.") from error
    if not (numbers[1].is_integer() and abs(numbers[1]) < 256):  # NaN and infinity, too
        raise BadLabels(f"{path}, line {line}: expected a whole number for occluded, found {numbers[1]}.")
    return numbers


def _require_rows(what: str, right: np.ndarray, values: np.ndarray) -> None:
    if not right.all():
        row = int(np.argmin(right))
        raise BadBoxes(f"{what}, found {values[row].tolist()} in row {row}. Leave such objects out.")
