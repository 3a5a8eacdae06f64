"""All data sets as Markdown, from their specs: for `check-data --list` and the page docs/data_sets.md."""

from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.source_config import SourceConfig
from offline_training.datasets.box_sources import box_spec
from offline_training.datasets.data_sources import SPECS

_PARTS_SHOWN = 12  # of a split; longer ones, such as nuScenes' scenes, are counted


def data_set_table() -> str:
    """A table of all data sets, the keys that all of them take, and a section each: layout, splits, its own keys."""
    rows = (
        (f"`{spec.kind}`", spec.what, ", ".join(spec.splits) or "none", ", ".join(spec.classes), _box_tables(spec.kind))
        for spec in SPECS
    )
    parts = [
        _table(("kind", "data set", "official splits", "class tables", "box tables"), rows),
        "Keys of every data set:\n\n" + _keys(SourceConfig.model_fields),
        *(_section(spec) for spec in SPECS),
    ]
    return "\n\n".join(parts)


def _box_tables(kind: str) -> str:
    spec = box_spec(kind)
    return "none" if spec is None else ", ".join(spec.classes)


def _section(spec: DataSetSpec[Any]) -> str:
    parts = [f"### `{spec.kind}`", f"{spec.what}.", f"```text\n{spec.layout.tree()}\n```"]
    if spec.splits:
        parts.append(_table(("split", "parts"), ((name, _parts(part)) for name, part in spec.splits.items())))
    every = SourceConfig.model_fields
    own = {
        key: field
        for key, field in spec.source.model_fields.items()
        if key not in every or (key != "kind" and field.description != every[key].description)
    }
    return "\n\n".join([*parts, _keys(own)] if own else parts)


def _keys(fields: dict[str, FieldInfo]) -> str:
    rows = ((f"`{key}`", _default(field), field.description or "") for key, field in fields.items() if key != "kind")
    return _table(("key", "default", "meaning"), rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else f"`{str(field.default).lower()}`"


def _parts(parts: tuple[str, ...]) -> str:
    return ", ".join(parts) if len(parts) <= _PARTS_SHOWN else f"{len(parts)} of them, {parts[0]} to {parts[-1]}"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
