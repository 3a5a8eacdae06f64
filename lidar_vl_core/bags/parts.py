"""Which files make up a recording, and opening one of them by what it holds, not by its name."""

import re
import shutil
from collections.abc import Iterator, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from lidar_vl_core.bags import mcap_records, ros1_records, sqlite_file
from lidar_vl_core.bags.folders import METADATA, recording_folder, storage_files
from lidar_vl_core.bags.mcap import McapFile
from lidar_vl_core.bags.messages import BagMessage
from lidar_vl_core.bags.ros1_bag import Ros1File
from lidar_vl_core.bags.unpacking import ZSTD_MAGIC, Allowance, unpacked_limit
from lidar_vl_core.foundation.errors import BadBag, BadConfig

_PIECE_BYTES = 1 << 20
_ZSTD_HEAD_BYTES = 18
_SHOWN = 20  # missing files
_CLOUDS = (".bin", ".pcd", ".ply", ".npz", ".npy", ".las", ".laz")


class BagFile(Protocol):
    """One storage file of a recording."""

    warnings: list[str]

    @property
    def topics(self) -> list[tuple[str, str, str, int]]:
        """(topic, type, encoding, number of messages) of each topic."""
        ...

    @property
    def start_ns(self) -> int:
        """A time no later than the stamp of any message."""
        ...

    def messages(self, topics: Set[str]) -> Iterator[BagMessage]:
        """The messages, sorted by stamp."""
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
    """The files of a recording given as a file, its folder or a folder around that; raises BadBag where there is not one."""
    if path.is_file():
        return BagParts([path])
    if not path.is_dir():
        raise BadBag(f"{path}: expected a recording, found no such file or folder. Check the path.")
    return _from_metadata(recording_folder(path))


def open_part(given: Path, stack: ExitStack, allowance: Allowance) -> BagFile:
    """Open one storage file, unpacking a zstd-compressed one; the stack closes and removes what was opened.

    Raises BadBag.
    """
    path, head = given, _first_bytes(given)
    if head.startswith(ZSTD_MAGIC):
        path = _unpacked(path, stack, allowance)
        head = _first_bytes(path)
        if head.startswith(ZSTD_MAGIC):
            raise BadBag(
                f"{given}: expected a recording compressed by zstd once, found it compressed twice. Unpack it with `zstd -d`."
            )
    part: BagFile
    if head.startswith(mcap_records.MAGIC):
        part = McapFile(path, allowance)
    elif head.startswith(sqlite_file.MAGIC):
        part = sqlite_file.SqliteFile(path, allowance)
    elif head.startswith(ros1_records.MAGIC):
        part = Ros1File(path, allowance)
    else:
        raise BadBag(f"{given}: expected an MCAP, rosbag2 sqlite3 or ROS 1 bag file, found {_kind(head, path)}")
    stack.callback(part.close)
    return part


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            return handle.read(16)
    except OSError as error:
        raise BadBag(
            f"{path}: expected a readable file, found: {error}. Check the path and its permissions."
        ) from error


def _kind(head: bytes, path: Path) -> str:
    if head.startswith(b"#ROSBAG"):
        version = str(head[8:].split(b"\n")[0], "ascii", "replace")
        return f"a ROS 1 bag of version {version!r}. Convert it to version 'V2.0' with `rosbag fix`."
    if path.name.lower().endswith(_CLOUDS):
        return "a cloud file by its name. `lidar-vl segment` and `lidar-vl detect` read those."
    if path.name == METADATA:
        return "the metadata of one. Give its folder."
    size = path.stat().st_size
    return (
        f"{size} bytes that start with {head[:8].hex(' ') or 'nothing'}. The file is empty, damaged or not a recording."
    )


def _from_metadata(folder: Path) -> BagParts:
    from lidar_vl_core.foundation.config import load_yaml  # with pydantic: late

    path = folder / METADATA
    if not path.is_file():
        files = storage_files(folder)
        if len(files) > 1:
            note = f"its {len(files)} files are read as parts of one recording. Give one file if they are recordings of their own."
        else:
            note = f"{files[0].name} is read without it."
        if all(".bag" in file.name for file in files):  # ROS 1, which never had one
            return BagParts(files, [f"{folder.name}: {note}"] if len(files) > 1 else [])
        return BagParts(
            files, [f"{folder.name}: expected metadata.yaml, found none (`ros2 bag reindex` recreates it): {note}"]
        )
    try:
        information = load_yaml(path)["rosbag2_bagfile_information"]
        names = information["relative_file_paths"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError(names)
    except BadConfig as error:
        return BagParts(
            storage_files(folder), [f"{error} The files are read in name order. Recreate it with `ros2 bag reindex`."]
        )
    except (KeyError, TypeError) as error:
        note = f"{folder.name}/metadata.yaml: expected rosbag2's metadata, found {type(error).__name__}"
        return BagParts(
            storage_files(folder), [f"{note}: the files are read in name order. Recreate it with `ros2 bag reindex`."]
        )
    # Old versions wrote the folder into the path; only files of this folder are ever opened.
    last = [re.split(r"[/\\]", name)[-1] for name in names]
    listed = [folder / name for name in dict.fromkeys(name.removesuffix(".zstd") for name in last)]  # no file twice
    present = {name: found for name in listed if (found := _packed_or_not(name)) is not None}
    if not present:
        named = ", ".join(name.name for name in listed[:3]) or "no file"
        note = f"{folder.name}/metadata.yaml: expected the names of the files beside it, found {named}"
        return BagParts(
            storage_files(folder), [f"{note}: the files are read in name order. Recreate it with `ros2 bag reindex`."]
        )
    warnings = [
        f"{folder.name}: expected {name.name} as metadata.yaml says, found no such file: its messages are missing. Copy it too."
        for name in listed
        if name not in present
    ]
    more = [f"{folder.name}: and {len(warnings) - _SHOWN} more files are missing."] if len(warnings) > _SHOWN else []
    return BagParts(list(present.values()), warnings[:_SHOWN] + more)


def _packed_or_not(path: Path) -> Path | None:
    """The file, or the same one before or after zstd packed it as a whole; None where there is neither."""
    candidates = (path, path.with_name(path.name.removesuffix(".zstd")), path.with_name(f"{path.name}.zstd"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _unpacked(path: Path, stack: ExitStack, allowance: Allowance) -> Path:
    import zstandard

    packed_size = path.stat().st_size
    before = allowance.change("bytes on disk", 0)
    limit = unpacked_limit(allowance.change("packed bytes", packed_size)) - before
    folder = stack.enter_context(TemporaryDirectory(prefix="lidar_vl_bag_"))
    target = Path(folder, path.name.removesuffix(".zstd"))
    room = shutil.disk_usage(folder).free // 2  # the rest stays for others
    if room > limit:
        room, where = limit, f"at most {limit >> 20} MiB, as files of their size may hold"
    else:
        where = f"half of what is free in {Path(folder).parent}"
    try:
        with path.open("rb") as source, target.open("wb") as sink:
            told = zstandard.frame_content_size(source.read(_ZSTD_HEAD_BYTES))
            source.seek(0)
            if told > room:
                raise _too_large(path, where)
            reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
            while piece := reader.read(_PIECE_BYTES):
                room -= len(piece)
                allowance.change("bytes on disk", len(piece))
                if room < 0:
                    raise _too_large(path, where)
                sink.write(piece)
                if allowance.is_late():  # what was unpacked is read as a file that was cut
                    break
    except (zstandard.ZstdError, OSError) as error:
        raise BadBag(
            f"{path}: expected a zstd-compressed recording, found: {error}. Copy it again if the original is intact."
        ) from error
    return target


def _too_large(path: Path, where: str) -> BadBag:
    return BadBag(
        f"{path}: expected it to fit into {where} when unpacked, found it larger. Point TMPDIR to a larger disk, or unpack it with `zstd -d`."
    )
