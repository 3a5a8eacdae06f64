"""A study: the rows and columns of a table, as configurations of pre-training and of what is done with its result.

One YAML per table in configs/reproduce/ names recipes of configs/ and what the study, then a row or column changes in them.
In any text {data} stands for the root of the data sets, {out} for the study's folder and {seed} for the run's seed.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lidar_vl_core.foundation.config import Config, load_config, load_yaml
from lidar_vl_core.foundation.errors import BadRequest

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
FOLDER = CONFIGS / "reproduce"


class Row(Config):
    """One initialisation of the 3D network."""

    name: str
    recipe: str | None = None  # of the pre-training, a file of configs/; nothing = random weights
    pretrain: dict[str, Any] = Field(default_factory=dict)  # what differs from recipe and study
    finetune: dict[str, Any] = Field(default_factory=dict)  # what differs in every column
    published: dict[str, float] = Field(default_factory=dict)  # the paper's numbers, by column
    like: str | None = None  # the same runs as an earlier row: nothing is computed twice


class Column(Config):
    """One thing that is measured of every row."""

    name: str
    measure: Literal["mean_iou", "mce", "mrr", "corrupted_mean_iou", "hours", "memory_gb"] = "mean_iou"
    corruption: str | None = None  # a name of corruptions.CORRUPTIONS, for corrupted_mean_iou
    recipe: str | None = None  # of the fine-tuning, a file of configs/; hours and memory_gb need none
    finetune: dict[str, Any] = Field(default_factory=dict)  # what differs from recipe and study
    test: tuple[dict[str, Any], ...] | None = None  # data sets of this column; nothing = the study's
    like: str | None = None  # measured on the fine-tuning of an earlier column


class StudyConfig(Config):
    """A table of the paper, or our small form of it."""

    title: str
    source: str  # where the published numbers stand, or what the study is
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    pretrain: dict[str, Any] = Field(default_factory=dict)  # what differs from the recipes in every row
    finetune: dict[str, Any] = Field(default_factory=dict)  # what differs from the recipes in every column
    test: tuple[dict[str, Any], ...] = ()  # data sets that every fine-tuned network is measured on
    toy_teacher: dict[str, Any] | None = None  # a ToyTeacherConfig but for `out`: trained first
    weak_labels: tuple[dict[str, Any], ...] = ()  # WeakLabelConfigs: made before the rows
    nuscenes_c: str | None = None  # folder of nuScenes-C, for columns on robustness
    robustness_baseline: dict[str, float] | None = None  # mean IoU per corruption of the network whose mCE is 100
    seeds: tuple[int, ...] = (0, 1, 2)

    def row(self, name: str) -> Row:
        """The row of that name; raises BadRequest listing the rows."""
        for row in self.rows:
            if row.name == name:
                return row
        raise BadRequest(
            f"row {name!r}: the study has {', '.join(repr(row.name) for row in self.rows)}. Name one of these."
        )

    def column(self, name: str) -> Column:
        """The column of that name; raises BadRequest where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise BadRequest(f"column {name!r}: the study has {', '.join(repr(one.name) for one in self.columns)}.")


def load_study(name: str) -> StudyConfig:
    """The study of that name in configs/reproduce. Raises BadRequest listing the names there are, BadConfig for a wrong file."""
    names = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if name not in names:
        raise BadRequest(f"reproduce: expected one of {', '.join(names)}, found {name!r}. Choose one of them.")
    study = load_config(StudyConfig, FOLDER / f"{name}.yaml")
    _require_known_columns(study, name)
    return study


def recipe_with(recipe: str, *changes: dict[str, Any]) -> dict[str, Any]:
    """A recipe of configs/ with changes, later over earlier ones; mappings inside are joined, those of another `kind` replaced."""
    settings = load_yaml(CONFIGS / recipe)
    for change in changes:
        settings = _joined(settings, change)
    return settings


def chosen_rows(study: StudyConfig, names: tuple[str, ...]) -> tuple[Row, ...]:
    """The rows of those names in the study's order, all of them for no names."""
    asked = {study.row(name).name for name in names}
    return tuple(row for row in study.rows if not names or row.name in asked)


def filled(value: Any, places: dict[str, str]) -> Any:  # noqa: ANN401  any JSON value
    """A JSON value with {data}, {out} and {seed} filled in wherever there is text."""
    if isinstance(value, str):
        for name, text in places.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {key: filled(one, places) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [filled(one, places) for one in value]
    return value


def _joined(settings: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    joined = dict(settings)
    for name, new in change.items():
        before = joined.get(name)
        if isinstance(new, dict) and isinstance(before, dict) and new.get("kind") in (None, before.get("kind")):
            joined[name] = _joined(before, new)
        else:  # a value, or the keys of another kind
            joined[name] = new
    return joined


def _require_known_columns(study: StudyConfig, name: str) -> None:
    columns = {column.name for column in study.columns}
    for row in study.rows:
        if unknown := set(row.published) - columns:
            raise BadRequest(f"study {name}, row {row.name}: published numbers for {unknown}, which are no columns.")
