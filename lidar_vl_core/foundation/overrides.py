"""Values that replace some of a configuration's, by dotted names that reach into mappings and lists."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import BadConfig


def override(content: dict[str, Any], name: str, value: Any, path: Path) -> None:  # noqa: ANN401
    """Set `name`, such as `augment.flip` or `train.0.folder`; the number after a list's last adds one.

    path: of the file, for the error. Raises BadConfig where the name leads nowhere.
    """
    parts = name.split(".")
    place: Any = content
    for part, following in pairwise(parts):
        place = _entered(place, part, [] if following.isdecimal() else {}, name, path)
    _set(place, parts[-1], value, name, path)


def _entered(place: Any, part: str, empty: Any, name: str, path: Path) -> Any:  # noqa: ANN401
    """What lies under a part of the name; an empty mapping or list where there is nothing yet."""
    if isinstance(place, dict):
        if place.get(part) is None:
            place[part] = empty
        return place[part]
    if isinstance(place, list):
        index = _index(place, part, name, path)
        if index == len(place):
            place.append(empty)
        return place[index]
    raise _leads_nowhere(part, name, path)


def _set(place: Any, last: str, value: Any, name: str, path: Path) -> None:  # noqa: ANN401
    if isinstance(place, dict):
        place[last] = value
    elif isinstance(place, list):
        index = _index(place, last, name, path)
        place[index : index + 1] = [value]
    else:
        raise _leads_nowhere(last, name, path)


def _index(place: list[Any], part: str, name: str, path: Path) -> int:
    if not part.isdecimal() or int(part) > len(place):
        raise BadConfig(
            f"{path}: override {name}: expected a number from 0 to {len(place)} for a list of {len(place)}, found {part!r}."
        )
    return int(part)


def _leads_nowhere(part: str, name: str, path: Path) -> BadConfig:
    above = name.partition(f".{part}")[0]
    return BadConfig(f"{path}: override {name}: expected {above} to be a mapping or a list, found a single value.")
