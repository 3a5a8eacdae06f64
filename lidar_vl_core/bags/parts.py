"""Which files make up a recording, and opening one of them by what it holds, not by its name."""

import re
from collections.abc import Iterator, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Protocol

from lidar_vl_core.bags import mcap_records, ros1_records, sqlite
from lidar_vl_core.bags.mcap import McapFile
from lidar_vl_core.bags.ros1_bag import Ros1File
from lidar_vl_core.bags.unpacking import ZSTD_MAGIC
from lidar_vl_core.foundation.errors import BadBag

_SUFFIXES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd", ".bag", ".bag.active")


class BagFile(Protocol):
    """One storage file of a recording."""

    warnings: list[str]

    @property
    def topics(self) -> list[tuple[str, str, str, int]]:
        """(topic, type, encoding, number of messages)."""
        ...

    def messages(self, topics: Set[str]) -> Iterator[tuple[int, str, str, bytes]]:
        """(stamp, topic, type, bytes) by stamp."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


@dataclass
class BagParts:
    """The storage files of a recording, in order."""

    paths: list[Path]
    warnings: list[str] = field(default_factory=list)


def bag_parts(path: Path) -> BagParts:
    """The files of a recording given as a file or a rosbag2 folder; raises BadBag where there is none."""
    if path.is_file():
        return BagParts([path])
    if not path.is_dir():
        raise BadBag(f"{path}: expected a recording, found no such file or folder. Check the path.")
    parts = _from_metadata(path)
    if not parts.paths:
        raise BadBag(f"{path}: expected .mcap or .db3 files, found none. Give the folder of one rosbag2 recording.")
    return parts


def open_part(path: Path, stack: ExitStack) -> BagFile:
    """Open one storage file, unpacking a zstd-compressed one; the stack closes and removes what was opened."""
    try:
        with path.open("rb") as handle:
            head = handle.read(16)
    except OSError as error:
        raise BadBag(f"{path}: expected a readable file, found: {error}. Check the path and its rights.") from error
    if head.startswith(ZSTD_MAGIC):
        return open_part(_unpacked(path, stack), stack)
    part: BagFile
    if head.startswith(mcap_records.MAGIC):
        part = McapFile(path)
    elif head.startswith(sqlite.MAGIC):
        part = sqlite.SqliteFile(path)
    elif head.startswith(ros1_records.MAGIC):
        part = Ros1File(path)
    else:
        raise BadBag(f"{path}: expected an MCAP, rosbag2 sqlite3 or ROS 1 bag file, found {_kind(head, path)}")
    stack.callback(part.close)
    return part


def _kind(head: bytes, path: Path) -> str:
    if head.startswith(b"#ROSBAG"):
        version = str(head[8:].split(b"\n")[0], "ascii", "replace")
        return f"a ROS 1 bag of version {version!r}. `rosbag fix` makes it one of version 'V2.0'."
    size = path.stat().st_size
    return f"{size} bytes that start with {head[:8].hex(' ') or 'nothing'}. The file is empty, damaged or no recording."


def _from_metadata(folder: Path) -> BagParts:
    import yaml

    path = folder / "metadata.yaml"
    if not path.is_file():
        note = f"{folder.name}: expected metadata.yaml, found none: its files are read in the order of their names."
        return BagParts(_by_name(folder), warnings=[f"{note} `ros2 bag reindex` makes it again."])
    try:
        information = yaml.safe_load(path.read_text("utf-8"))["rosbag2_bagfile_information"]
        # Old versions wrote the folder into the path; only files of this folder are ever opened.
        listed = [folder / PurePosixPath(str(name)).name for name in information["relative_file_paths"]]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        note = f"{folder.name}/metadata.yaml: expected rosbag2's metadata, found {type(error).__name__}"
        return BagParts(
            _by_name(folder), warnings=[f"{note}: files are read by name. `ros2 bag reindex` makes it again."]
        )
    present = [name for name in listed if name.is_file()]
    warnings = [
        f"{folder.name}: expected {name.name} as metadata.yaml says, found no such file: its messages are missing. Copy it too."
        for name in listed
        if name not in present
    ]
    return BagParts(present or _by_name(folder), warnings)


def _by_name(folder: Path) -> list[Path]:
    files = [path for path in folder.iterdir() if path.is_file() and path.name.endswith(_SUFFIXES)]
    return sorted(files, key=lambda path: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", path.name)])


def _unpacked(path: Path, stack: ExitStack) -> Path:
    import zstandard

    folder = stack.enter_context(TemporaryDirectory(prefix="lidar_vl_bag_"))
    target = Path(folder, path.name.removesuffix(".zstd"))
    try:
        with path.open("rb") as source, target.open("wb") as sink:
            zstandard.ZstdDecompressor().copy_stream(source, sink)
    except (zstandard.ZstdError, OSError) as error:
        raise BadBag(
            f"{path}: expected a zstd-compressed recording, found: {error}. Copy or record it again."
        ) from error
    return target
