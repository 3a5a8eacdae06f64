"""The files of S3DIS' rooms: a text file of points for each object, or arrays of points and classes for each room."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.foundation.plain_arrays import load_plain_array
from offline_training.datasets.base.sample_files import read_rows, read_values

_MAX_BYTES = 1 << 30  # of one array of a room; the largest rooms have some 10 million points
_CONVERTED_NAME = re.compile(r"(Area_\d)_(\w+)")
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f]")  # beside tab and line feed
# The release has characters that lost their bit 5: 0x10 for 0, 0x16 for 6, 0x0d for -, 0x00 for a blank.
_BIT_5_SET = bytes(value | 0x20 if value < 32 and value not in b"\t\n" else value for value in range(256))
_BLANKED = bytes(0x20 if value < 32 and value not in b"\t\n" else value for value in range(256))
_NUMBERS = re.compile(rb"\s*[-+.\deE]+(\s+[-+.\deE]+){5}\s*")


@dataclass(frozen=True)
class Room:
    """One room and where its points are."""

    area: str  # Area_1
    room: str  # office_2
    annotations: Path | None  # folder of the objects' text files
    points: Path | None = None  # converted: (N, 6) x y z red green blue
    labels: Path | None = None  # converted: (N,) class ids
    is_turned: bool = False  # by the release with aligned rooms, against the area that images are posed in

    @property
    def name(self) -> str:
        """Unique in the data set."""
        return f"{self.area}/{self.room}"


def text_rooms(folder: Path) -> list[Room]:
    """Rooms of Area_N folders, in the folder or one below it, with a folder of annotations. Raises BadDataset."""
    areas = sorted((*folder.glob("Area_*"), *folder.glob("*/Area_*")))
    return [room for area in areas if area.is_dir() for room in _rooms_of(area)]


def converted_rooms(folder: Path) -> list[Room]:
    """Rooms of points/*.bin with semantic_mask/*.bin, or of *_point.npy with *_sem_label.npy.

    Raises BadDataset where there are none.
    """
    rooms = []
    for points in sorted((*folder.glob("points/*.bin"), *folder.glob("*_point.npy"))):
        stem = points.stem.removesuffix("_point")
        named = _CONVERTED_NAME.fullmatch(stem)
        if named is None:
            raise BadDataset(
                f"{points}: expected a name such as Area_1_office_2, found {stem}. Rename the room's files."
            )
        binary = points.suffix == ".bin"
        labels = folder / "semantic_mask" / points.name if binary else points.with_name(f"{stem}_sem_label.npy")
        rooms.append(Room(named[1], named[2], None, points, labels))
    return rooms


def read_room(room: Room) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """xyz_m (N, 3) float32, rgb (N, 3) uint8 and class ids (N,) int64 of a room; raises BadDataset naming the file."""
    if room.annotations is not None:
        return _read_objects(room.annotations, room.name)
    if room.points is None or room.labels is None:
        raise BadDataset(f"{room.name}: expected files of points and classes, found none. Unpack the room again.")
    if room.points.suffix == ".bin":
        points, raw = read_rows(room.points, 6, room.name), read_values(room.labels, np.int64, room.name)
    else:
        points, raw = (
            _read_array(room.points, room.name),
            _read_array(room.labels, room.name).reshape(-1).astype(np.int64),
        )
    if points.ndim != 2 or points.shape[1] != 6 or len(raw) != len(points):
        raise BadDataset(
            f"{room.name}: expected points (N, 6) and N classes, found {points.shape} in {room.points} and {len(raw)} in "
            f"{room.labels}. The files belong to different rooms or are truncated: convert the room again."
        )
    return _parts(points, raw, room.name)


def _rooms_of(area: Path) -> list[Room]:
    turned = _turned_rooms(area / f"{area.name}_alignmentAngle.txt")
    annotations = sorted(area.glob("*/Annotations"))
    return [Room(area.name, each.parent.name, each, is_turned=each.parent.name in turned) for each in annotations]


def _turned_rooms(path: Path) -> frozenset[str]:
    """Rooms that the aligned release has turned by more than nothing; lines `room degrees`."""
    if not path.exists():
        return frozenset()
    rows = [line.split() for line in path.read_text("utf-8", "replace").splitlines() if not line.startswith("#")]
    try:
        return frozenset(row[0] for row in rows if len(row) == 2 and float(row[1]) % 360.0 != 0.0)
    except ValueError as error:
        raise BadDataset(f"{path}: expected lines `room degrees`, found: {error}. Unpack the area again.") from error


def _read_objects(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    classes, parts, raw = class_table("s3dis13"), [], []
    for path in _object_files(folder):
        points = _read_text(path)
        kind = path.stem.rpartition("_")[0]
        known = kind if kind in classes.names else "clutter"  # what the benchmark makes of its few stairs
        parts.append(points)
        raw.append(np.full(len(points), classes.id_of(known), np.int64))
    if not parts:
        raise BadDataset(
            f"{folder}: expected text files of objects such as chair_1.txt, found none. Unpack the room again."
        )
    return _parts(np.concatenate(parts), np.concatenate(raw), name)


def _object_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.txt") if not path.name.startswith("."))


def _read_text(path: Path) -> np.ndarray:
    """(N, 6) float64."""
    try:
        points = np.loadtxt([line.decode("ascii") for line in map(_repaired, _lines(path.read_bytes()))], ndmin=2)
    except (OSError, ValueError) as error:
        raise BadDataset(
            f"{path}: expected lines x y z red green blue, found: {str(error)[:120]}. Unpack the room again."
        ) from error
    if points.shape[1] != 6:
        raise BadDataset(f"{path}: expected 6 numbers a line, found {points.shape[1]}. Unpack the room again.")
    return points


def repaired_lines(annotations: Path) -> list[str]:
    """A line for each file of a room in which characters were repaired: which lines, and how the first reads now."""
    told = []
    for path in _object_files(annotations):
        lines = _lines(path.read_bytes())
        places = [number for number, line in enumerate(lines) if _CONTROL.search(line)]
        if places:
            shown = ", ".join(str(number + 1) for number in places[:3]) + (" ..." if len(places) > 3 else "")
            told.append(
                f"{path}: line {shown}: control characters in numbers, read as {_repaired(lines[places[0]]).decode('ascii', 'replace')!r}"
            )
    return told


def _lines(content: bytes) -> list[bytes]:
    """Of a file with line ends of any system; a carriage return within a line stays."""
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    return [line.removesuffix(b"\r") for line in content.split(b"\n")]


def _repaired(line: bytes) -> bytes:
    """A line of numbers whose control characters have their bit 5 again; blanks where that makes no six numbers."""
    if not _CONTROL.search(line):
        return line
    fixed = line.translate(_BIT_5_SET)
    return fixed if _NUMBERS.fullmatch(fixed) else line.translate(_BLANKED)


def _read_array(path: Path, name: str) -> np.ndarray:
    try:
        return load_plain_array(path, _MAX_BYTES)
    except (OSError, ValueError, EOFError) as error:
        raise BadDataset(f"{name}: expected an array in {path}, found: {error}. Convert the room again.") from error


def _parts(points: np.ndarray, raw: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    colors = points[:, 3:]
    if not ((colors >= 0.0) & (colors <= 255.0)).all():
        raise BadDataset(
            f"{name}: expected colours 0 to 255, found {colors.min():g} to {colors.max():g}. Columns are x y z red green blue."
        )
    return np.ascontiguousarray(points[:, :3], np.float32), np.rint(colors).astype(np.uint8), raw
