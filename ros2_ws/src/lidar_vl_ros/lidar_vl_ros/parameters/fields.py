"""Which parameters a configuration has: one for each of its keys, by its dotted name.

A field that is a configuration has its keys below it: segmentation.model. One that maps names to configurations, such as
`cameras`, has one for each key of each name that was given when the node was started: cameras.front.topic, ...
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple, get_args, get_origin

from pydantic.fields import FieldInfo

from lidar_vl_core.foundation.config import Config

WHILE_CONFIGURED = (
    "may change while the node is configured, even while it serves"  # marks a field; others are fixed then
)


class _Place(NamedTuple):
    name: str
    field: FieldInfo
    is_live: bool  # it, or a field it is part of, is marked WHILE_CONFIGURED


def every_field(settings: type[Config], given: Iterable[str] = ()) -> dict[str, FieldInfo]:
    """Every parameter by name. given: parameter names that contain names of cameras and the like, e.g. cameras.front.topic."""
    return {place.name: place.field for place in _places(settings, tuple(given))}


def fixed_names(settings: type[Config], names: Collection[str]) -> set[str]:
    """The names of those parameters that may change only before the node is configured."""
    live = {place.name for place in _places(settings, tuple(names)) if place.is_live}
    return {name for name in names if belongs_to(name, settings)} - live


def belongs_to(name: str, settings: type[Config]) -> bool:
    """Whether a parameter's name is a key of the configuration, or below one."""
    return name.partition(".")[0] in settings.model_fields


def maps_of_names(settings: type[Config], above: str = "") -> Iterator[str]:
    """Names of the fields that map names to configurations."""
    for key, field in settings.model_fields.items():
        inner = _configuration(field)
        if _config_of_names(field) is not None:
            yield f"{above}{key}"
        elif inner is not None:
            yield from maps_of_names(inner, f"{above}{key}.")


def put(content: dict[str, Any], name: str, value: Any) -> None:  # noqa: ANN401
    """Set a value in nested mappings; a value in its way that is not a mapping is replaced, as it is refused anyway."""
    *path, last = name.split(".")
    for part in path:
        inner = content.get(part)
        if not isinstance(inner, dict):
            inner = content[part] = {}
        content = inner
    content[last] = value


def _places(settings: type[Config], given: tuple[str, ...], above: str = "", is_live: bool = False) -> Iterator[_Place]:
    for key, field in settings.model_fields.items():
        name, live = f"{above}{key}", is_live or WHILE_CONFIGURED in field.metadata
        inner, of_names = _configuration(field), _config_of_names(field)
        if inner is not None:
            yield from _places(inner, given, f"{name}.", live)
        elif of_names is not None:
            rest = [each.removeprefix(f"{name}.") for each in given if each.startswith(f"{name}.")]
            for part in sorted({each.partition(".")[0] for each in rest if "." in each}):
                yield from _places(of_names, given, f"{name}.{part}.", live)
        else:
            yield _Place(name, field, live)


def _configuration(field: FieldInfo) -> type[Config] | None:
    """The configuration type of a field, None for a field of another kind."""
    kind: Any = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Config) else None


def _config_of_names(field: FieldInfo) -> type[Config] | None:
    """The configuration type that a field maps names to, None for a field of another kind."""
    if get_origin(field.annotation) is not dict:
        return None
    inner: type[Config] = get_args(field.annotation)[1]
    return inner
