"""Base of every study: rows, columns and seeds of a table, whose configurations are recipes with changes.

One YAML file per table in configs/reproduce/ names recipes of configs/ and the changes made by the study, then by a row
or column. In any text, {data} is the root of the data sets, {out} the study's folder and {seed} the run's seed.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import Field, model_validator

from lidar_vl_core.foundation.config import Config, load_yaml
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.near_names import did_you_mean

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FOLDER = CONFIGS / "reproduce"


class StudyRow(Config):
    """A row: one way to make a network."""

    name: str
    published: dict[str, float] = Field(default_factory=dict)  # the paper's numbers, by column
    like: str | None = None  # the same runs as another row: nothing is trained twice


class StudyColumn(Config):
    """A column: one thing that is measured for every row."""

    name: str
    measure: str


RowT = TypeVar("RowT", bound=StudyRow)
ColumnT = TypeVar("ColumnT", bound=StudyColumn)


class StudyConfig(Config, Generic[RowT, ColumnT]):
    """A table of a paper, or our small version of it."""

    title: str
    source: str  # origin of the published numbers, or what the study is
    rows: tuple[RowT, ...]
    columns: tuple[ColumnT, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    against: tuple[str, ...] = ()  # rows that the others are compared with, seed by seed; default: the first one

    @model_validator(mode="after")
    def _names_what_is_there(self) -> "StudyConfig[RowT, ColumnT]":
        rows = {row.name: row for row in self.rows}
        columns = {column.name for column in self.columns}
        if unknown := set(self.against) - set(rows):
            raise ValueError(f"against: {unknown}: no such row")
        for row in self.rows:
            if row.like is not None and (row.like not in rows or rows[row.like].like is not None):
                raise ValueError(f"row {row.name}: like: {row.like} is not a row, or is itself like another")
            if unknown := set(row.published) - columns:
                raise ValueError(f"row {row.name}: published numbers for {unknown}: no such column")
        return self

    def row(self, name: str) -> RowT:
        """The row of that name. Raises BadRequest listing the rows."""
        for row in self.rows:
            if row.name == name:
                return row
        raise BadRequest(f"row: expected one of {', '.join(repr(row.name) for row in self.rows)}, found {name!r}.")

    def owner(self, row: RowT) -> RowT:
        """The row whose runs give a row's numbers: itself, or the one that it is like."""
        return row if row.like is None else self.row(row.like)

    def chosen_rows(self, names: tuple[str, ...]) -> tuple[RowT, ...]:
        """The rows of those names in the study's order; all rows if no names are given.

        Raises BadRequest for unknown names.
        """
        asked = {self.row(name).name for name in names}
        return tuple(row for row in self.rows if not names or row.name in asked)

    def columns_of(self, row: RowT) -> tuple[ColumnT, ...]:
        """The columns that are measured for a row."""
        return self.columns


def study_names() -> list[str]:
    """Names of all studies in configs/reproduce."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def require_study(name: str) -> None:
    """Raise BadRequest, listing the known names, for an unknown study."""
    if name not in study_names():
        raise BadRequest(
            f"reproduce: expected one of {', '.join(study_names())}, found {name!r}.{did_you_mean(name, study_names())}"
        )


def recipe_with(recipe: str, *changes: dict[str, Any]) -> dict[str, Any]:
    """A recipe of configs/ with changes, later ones over earlier ones; nested mappings are merged, those of another `kind` replaced."""
    settings = _recipe(recipe)
    for change in changes:
        settings = joined(settings, change)
    return settings


@lru_cache(maxsize=64)  # cached, because a study reads a recipe for each of its many runs
def _recipe(name: str) -> dict[str, Any]:
    return load_yaml(CONFIGS / name)


def filled(value: Any, places: dict[str, str]) -> Any:  # noqa: ANN401  any JSON value
    """A JSON value with {data}, {out} and {seed} filled in throughout."""
    if isinstance(value, str):
        for name, text in places.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {key: filled(one, places) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [filled(one, places) for one in value]
    return value


def joined(settings: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Settings overlaid by a change; nested mappings are merged, those of another `kind` replaced."""
    both = dict(settings)
    for name, new in change.items():
        before = both.get(name)
        if isinstance(new, dict) and isinstance(before, dict) and new.get("kind") in (None, before.get("kind")):
            both[name] = joined(before, new)
        else:  # a value, or the keys of another kind
            both[name] = new
    return both
