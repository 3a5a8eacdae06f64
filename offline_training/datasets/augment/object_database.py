"""Objects cut out of scans with boxes, to be pasted into others: a folder, built once. Touches the disk.

<folder>/
  database.json        what it was made of; written first, so that other objects are never added to it
  points_00000.npy     (P, 5) float32 x, y, z from the centre of their box in metres, intensity, time lag in seconds
  objects_00000.npz    a row for each object; written last, so that a piece that has it is whole
Building resumes where it stopped; at no time is more than a piece of it in memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lidar_vl_core.boxes.points_in_boxes import points_in_boxes
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.foundation.config import Config, validated
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.foundation.files import atomic_writer, read_json, remove_stray_temporaries, write_text
from offline_training.datasets.augment.box_scan import BoxScan, box_scan
from offline_training.datasets.base.box_sample import BoxSample
from offline_training.datasets.base.box_source import BoxSource

_VERSION = 1  # raise it when the same scans give another database
_SCANS_PER_PIECE = 64
_COLUMNS = ("box", "class_id", "velocity_mps", "point_start", "point_end")


class _Identity(Config):
    """What a database was made of."""

    version: int
    made_of: str
    scans: int
    classes: tuple[str, ...]
    least_points: int


@dataclass(frozen=True, eq=False)
class ObjectDatabase:
    """The objects of a finished database; their points stay on the disk until they are asked for."""

    folder: Path
    classes: tuple[str, ...]
    box: np.ndarray  # (N, 7) float64 in the scan they come from
    class_id: np.ndarray  # (N,) uint8
    velocity_mps: np.ndarray  # (N, 2) float32
    point_start: np.ndarray  # (N,) int64 rows of their piece
    point_end: np.ndarray  # (N,) int64
    piece: np.ndarray  # (N,) int64

    def __len__(self) -> int:
        return len(self.box)

    def points(self, row: int) -> np.ndarray:
        """(P, 5) float32 of one object: x, y, z from the centre of its box, intensity, time lag. Raises BadDataset."""
        path = _points_path(self.folder, int(self.piece[row]))
        try:
            kept = np.load(path, mmap_mode="r", allow_pickle=False)
            return np.array(kept[self.point_start[row] : self.point_end[row]])
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(path, error) from error


def build_object_database(
    source: BoxSource,
    folder: Path,
    made_of: str,
    least_points: int = 5,
    on_progress: Callable[[int], None] | None = None,
) -> ObjectDatabase:
    """Cut every object of a data set out, or what is missing of that, and open the result.

    made_of: what decides over the content besides the classes, such as the data set, its split and number of sweeps; a
    folder that was made of something else is refused. Objects without a class, with fewer points, or beyond KITTI's
    levels of difficulty are left out. `on_progress` hears how many scans have come. Raises BadDataset.
    """
    _require_identity(source, folder, made_of, least_points)
    remove_stray_temporaries(folder)
    for piece in range(_pieces(len(source))):
        scans = range(piece * _SCANS_PER_PIECE, min((piece + 1) * _SCANS_PER_PIECE, len(source)))
        if not _objects_path(folder, piece).exists():
            _write_piece(folder, piece, [_objects_of(source[scan], least_points) for scan in scans])
        if on_progress is not None:
            on_progress(len(scans))
    return open_object_database(folder, source.classes)


def open_object_database(folder: Path, classes: ClassTable) -> ObjectDatabase:
    """A database that is whole; raises BadDataset where it is not, or was made in another class table."""
    identity = _read_identity(folder)
    if identity.classes != classes.names:
        raise BadDataset(
            f"{folder}: expected objects of the classes {', '.join(classes.names)}, found {', '.join(identity.classes)}. "
            "Build another database."
        )
    count = _pieces(identity.scans)
    if missing := [piece for piece in range(count) if not _objects_path(folder, piece).exists()]:
        raise BadDataset(
            f"{folder}: expected a complete database of {count} pieces, found {count - len(missing)}. Build it again: that resumes."
        )
    rows = [_read_objects(_objects_path(folder, piece)) for piece in range(count)]
    piece_of = np.repeat(np.arange(count), [len(piece["class_id"]) for piece in rows])
    columns = {name: np.concatenate([piece[name] for piece in rows]) for name in _COLUMNS}
    return ObjectDatabase(folder, classes.names, **columns, piece=piece_of)


def _require_identity(source: BoxSource, folder: Path, made_of: str, least_points: int) -> None:
    identity = _Identity(
        version=_VERSION,
        made_of=made_of,
        scans=len(source),
        classes=source.classes.names,
        least_points=least_points,
    )
    if not _identity_path(folder).exists():
        write_text(_identity_path(folder), identity.model_dump_json(indent=1))
        return
    wanted, found = identity.model_dump(), _read_identity(folder).model_dump()
    if different := [name for name in wanted if found[name] != wanted[name]]:
        name = different[0]
        raise BadDataset(
            f"{folder}: expected a database with {name} {wanted[name]!r}, found {found[name]!r}. "
            "Choose another folder, or remove this one."
        )


def _objects_of(sample: BoxSample, least_points: int) -> tuple[BoxScan, np.ndarray, np.ndarray]:
    """The scan, and which of its points (P,) belong to which of its boxes (P,), sorted by box, of boxes worth keeping."""
    scan = box_scan(sample)
    point, box = points_in_boxes(scan.xyz_m, scan.boxes.boxes)
    wanted = (scan.boxes.class_id != IGNORE_ID) & (np.bincount(box, minlength=len(scan.boxes)) >= least_points)
    if sample.difficulty is not None:
        wanted &= sample.difficulty >= 0
    kept = wanted[box]
    return scan, point[kept], box[kept]


def _write_piece(folder: Path, piece: int, scans: list[tuple[BoxScan, np.ndarray, np.ndarray]]) -> None:
    points, boxes, class_id, velocity, count = [], [], [], [], []
    for scan, point, box in scans:
        rows, sizes = np.unique(box, return_counts=True)
        lag = np.zeros(len(scan), np.float32) if scan.time_lag_s is None else scan.time_lag_s
        from_center_m = scan.xyz_m[point].astype(np.float64) - scan.boxes.boxes[box, :3]
        points.append(np.column_stack([from_center_m, scan.intensity[point], lag[point]]).astype(np.float32))
        of_scan = scan.boxes.taken(rows)
        boxes.append(of_scan.boxes)
        class_id.append(of_scan.class_id)
        velocity.append(of_scan.velocity_mps)
        count.append(sizes)
    end = np.cumsum(np.concatenate(count), dtype=np.int64)
    start = end - np.concatenate(count)
    with atomic_writer(_points_path(folder, piece)) as handle:
        np.save(handle, np.concatenate(points))
    with atomic_writer(_objects_path(folder, piece)) as handle:
        np.savez(
            handle,
            box=np.concatenate(boxes),
            class_id=np.concatenate(class_id),
            velocity_mps=np.concatenate(velocity),
            point_start=start,
            point_end=end,
        )


def _read_objects(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in _COLUMNS}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise _damaged(path, error) from error


def _read_identity(folder: Path) -> _Identity:
    path = _identity_path(folder)
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise BadDataset(f"{path}: expected a database of objects, found: {error}. Build it first.") from error
    return validated(_Identity, content, str(path))


def _damaged(path: Path, error: Exception) -> BadDataset:
    return BadDataset(
        f"{path}: expected a piece of a database of objects, found: {error}. Remove both files of that number; they are built again."
    )


def _pieces(scans: int) -> int:
    return -(-scans // _SCANS_PER_PIECE)


def _identity_path(folder: Path) -> Path:
    return folder / "database.json"


def _points_path(folder: Path, piece: int) -> Path:
    return folder / f"points_{piece:05d}.npy"


def _objects_path(folder: Path, piece: int) -> Path:
    return folder / f"objects_{piece:05d}.npz"
