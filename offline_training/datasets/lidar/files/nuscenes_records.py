"""nuScenes' tables (v1.0-*) as files: where they lie, and their records one by one, never a whole table in memory."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import BadDataset

_PIECE_CHARACTERS = 1 << 20
_LAST_US = (1 << 63) // 1000  # what nanoseconds of 64 bits can tell
_LONGEST_RECORD = 1 << 22  # each further piece reads a record from its start again


def table_records(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a table; a record without an expected key raises BadDataset naming table and key, as does a cut file."""
    for record in _stream(path):
        yield _Record(record, path)


def version_folder(folder: Path, version: str) -> Path:
    """The folder of a version's tables; raises BadDataset with the versions that are there and how to ask for one."""
    if (folder / version).is_dir():
        return folder / version
    there = _versions(folder)
    if there:
        found, advice = (
            ", ".join(there),
            f"Ask for it by `version: {there[0]}`, on a command line by version={there[0]}.",
        )
    elif (folder / "scene.json").is_file():
        found = "the tables themselves"
        advice = f"Point to the folder above, {folder.resolve().parent}, and ask for version={folder.resolve().name}."
    elif below := [each for each in sorted(folder.glob("*/")) if _versions(each)]:
        found, advice = f"{below[0].name}/{_versions(below[0])[0]}", f"Point to {below[0]}."
    else:
        found, advice = "no folder of tables", "Unpack the metadata there, or fix the folder."
    raise BadDataset(f"{folder}: expected nuScenes' tables {version}/*.json, found {found}. {advice}")


def _versions(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/scene.json"))


def scene_names(folder: Path, version: str) -> list[str]:
    """Names of all scenes in the order of the scene table, by which fractions of the labels are chosen. Raises BadDataset."""
    path = version_folder(folder, version) / "scene.json"
    return [record["name"] for record in table_records(path)]


def xyzw(wxyz: list[float]) -> list[float]:
    """A quaternion as the tables have it, in the order of the rest of this code."""
    return [*wxyz[1:], wxyz[0]]


def text_of(record: Mapping[str, Any], key: str) -> str:
    """A token or the name of a file; raises ValueError for what is none."""
    text = record[key]
    if not isinstance(text, str) or "\0" in text:
        raise ValueError(f"{text!r} as {key}")
    return text


def microseconds_of(record: Mapping[str, Any]) -> int:
    """The time of a record; raises ValueError for a number that is no time, or what int() raises."""
    stamp = int(record["timestamp"])
    if abs(stamp) > _LAST_US:
        raise ValueError(f"{str(stamp)[:40]} as timestamp")
    return stamp


@contextmanager
def values_of(path: Path) -> Iterator[None]:
    """Around what reads the records of a table: values of a wrong kind are one BadDataset that names it."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise BadDataset(
            f"{path}: expected tokens, numbers and file names as nuScenes writes them, found: {str(error)[:120]}. "
            "Unpack it again."
        ) from error


class _Record(dict[str, Any]):
    """A record whose missing keys are named together with its table."""

    def __init__(self, record: dict[str, Any], path: Path) -> None:
        super().__init__(record)
        self._path = path

    def __missing__(self, key: str) -> Any:  # noqa: ANN401
        raise BadDataset(
            f"{self._path}: expected the key {key!r}, found {sorted(self)}. This is not a nuScenes v1.0 table."
        )


def _stream(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a JSON array, one by one, never holding more than a piece of the text."""
    decoder = json.JSONDecoder()
    try:
        with path.open(encoding="utf-8") as file:
            text, position = file.read(_PIECE_CHARACTERS).lstrip(), 1
            if not text.startswith("["):
                raise BadDataset(f"{path}: expected a JSON list of records, found {text[:20]!r}. Unpack it again.")
            while True:
                while position < len(text) and text[position] in " \t\r\n,":
                    position += 1
                if text[position : position + 1] == "]":
                    return
                try:
                    record, position = decoder.raw_decode(text, position)
                    if not isinstance(record, dict):
                        raise BadDataset(
                            f"{path}: expected objects in the list, found {repr(record)[:80]}. Unpack it again."
                        )
                except json.JSONDecodeError as error:
                    more = file.read(_PIECE_CHARACTERS) if len(text) - position < _LONGEST_RECORD else ""
                    if not more:
                        raise BadDataset(
                            f"{path}: expected a whole JSON list, found: {error}. Unpack it again."
                        ) from error
                    text, position = text[position:] + more, 0
                    continue
                yield record
    except (OSError, ValueError, RecursionError) as error:
        raise BadDataset(
            f"{path}: expected a readable table, found: {str(error)[:120]}. Point to the folder that holds v1.0-*."
        ) from error
