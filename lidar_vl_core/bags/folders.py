"""Which folder holds the recording that a user means, and which of its files are the recording."""

import os
import re
from pathlib import Path

from lidar_vl_core.foundation.errors import BadBag

METADATA = "metadata.yaml"
_SUFFIXES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd", ".bag", ".bag.active")
_DEEPEST = 3  # folders below the given one that are looked into
_SHOWN = 10


def recording_folder(path: Path) -> Path:
    """The folder itself where it holds files of a recording, else the only one below it that does; raises BadBag otherwise."""
    if _is_recording(path):
        return path
    found = _recordings_below(path)
    if not found:
        raise BadBag(
            f"{path}: expected .mcap, .db3 or .bag files, found none in it or its subfolders. "
            "Give the folder of one recording, or its file."
        )
    if len(found) > 1:
        names = [str(folder.relative_to(path)) for folder in found[:_SHOWN]]
        more = ", ..." if len(found) > _SHOWN else ""
        raise BadBag(f"{path}: expected one recording, found {', '.join(names)}{more}. Give one of these folders.")
    return found[0]


def storage_files(folder: Path) -> list[Path]:
    """The storage files of one recording by name, numbers by their value; raises BadBag where they are of several recordings.

    The parts of a recording that was split have one name with other numbers: rosbag2 and ROS 1 count them, with or without times.
    """
    named = {path.name: path for path in folder.iterdir() if _is_storage(path.name) and path.is_file()}
    files = [path for name, path in named.items() if name.removesuffix(".zstd") == name or name[:-5] not in named]
    kinds = sorted({_kind(path) for path in files})
    if len(kinds) > 1:
        raise BadBag(
            f"{folder}: expected the files of one recording, found {' and '.join(kinds)} files side by side, which may be "
            f"the same recording twice: {', '.join(sorted(path.name for path in files)[:_SHOWN])}. Give one file."
        )
    if len({_without_numbers(path) for path in files}) > 1:
        names = sorted(path.name for path in files)
        more = ", ..." if len(names) > _SHOWN else ""
        raise BadBag(
            f"{folder}: expected the files of one recording, found several: {', '.join(names[:_SHOWN])}{more}. "
            "Give one of these files, or move the parts of one recording into a folder of their own."
        )
    return sorted(files, key=lambda path: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", path.name)])


def _is_recording(folder: Path) -> bool:
    return any(_is_storage(path.name) and path.is_file() for path in folder.iterdir())


def _recordings_below(path: Path) -> list[Path]:
    found: list[Path] = []
    for name, folders, files in os.walk(path):
        folder = Path(name)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if any(_is_storage(name) for name in files):
            found.append(folder)
            folders.clear()
        if len(folder.relative_to(path).parts) == _DEEPEST:
            folders.clear()
        if len(found) > _SHOWN:
            break
    return found


def _is_storage(name: str) -> bool:
    return name.endswith(_SUFFIXES) and not name.startswith(".")  # macOS leaves ._bag.mcap beside bag.mcap


def _without_numbers(path: Path) -> str:
    return re.sub(r"\d+", "0", path.name.removesuffix(".zstd").removesuffix(".active"))


def _kind(path: Path) -> str:
    return "." + path.name.removesuffix(".zstd").removesuffix(".active").rpartition(".")[2]
