"""A study of 3DSS-VLG: rows are ways to train and to query, columns are measures of the answers."""

from typing import Any, Literal

from pydantic import Field, model_validator

from lidar_vl_core.foundation.config import Config, Use
from offline_training.reproduction.base.study import StudyColumn, StudyConfig, StudyRow, recipe_with
from offline_training.words.settings.question import Mode

Measure = Literal[
    "mean_iou",
    "mean_accuracy",
    # as in the code of OpenScene and 3DSS-VLG: points without an answer left out, 0 for a class absent from the truth
    "mean_iou_openscene",
    "pseudo_label_accuracy",  # of labelled points in the training scenes
    "pseudo_label_mean_iou",  # of labelled points in the training scenes
    "pseudo_label_coverage",  # their share of the points with a truth
    "minutes",  # of training: stages 1 to 3, without the features
]

# Measures that are means over classes, with where the evaluation has their parts.
OF_ONE_CLASS: dict[Measure, str] = {
    "mean_iou": "per_class_iou",
    "mean_iou_openscene": "per_class_iou_openscene",
    "mean_accuracy": "per_class_recall",
}


class LanguageRow(StudyRow):
    """A row: one way to train and to query; a row like another queries the same run in another way."""

    quoted: bool = False  # another method: only its published numbers, nothing is run
    recipe: str | None = None  # of its run; default: the study's
    run: dict[str, Any] = Field(default_factory=dict)  # changes to recipe and study in its VlgConfig
    mode: Mode = "3d"
    specialised: bool = False  # image features pass the adapter before they answer
    oracle_lists: bool = False  # answers are restricted to the classes actually present in a scene
    constant: bool = False  # one vector for all points: the answer of guidance that has learned nothing

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        of_runs = ("like", "recipe", "run", "mode", "specialised", "oracle_lists", "constant")
        return ((not self.quoted, of_runs, "without quoted, which runs nothing"),)


class LanguageColumn(StudyColumn):
    """A column: one thing that is measured for every row."""

    measure: Measure = "mean_iou"
    of: tuple[str, ...] | None = None  # the mean over these classes alone; default: all that are in the truth
    test: tuple[dict[str, Any], ...] | None = None  # data sets of this column; default: the run's validation sets
    classes: str | None = None  # class table of their truth; default: the run's
    vocabulary: str | None = None  # words of the question; default: those of the row's recipe and study
    truth_as: dict[str, str] = Field(default_factory=dict)  # class of the truth -> class of the vocabulary it counts as
    rows: tuple[str, ...] | None = None  # measured for these rows only

    @model_validator(mode="after")
    def _of_classes_that_are_measured(self) -> "LanguageColumn":
        if self.of is not None and self.measure not in OF_ONE_CLASS:
            raise ValueError(f"column {self.name}: {', '.join(OF_ONE_CLASS)} are the only measures of single classes")
        return self


class Bound(Config):
    """The condition of a useful study: a row that is an upper bound of a stage, at least some points above another row."""

    row: str
    above: str
    points: float  # percentage points in the study's first column, with its first seed


class LanguageStudy(StudyConfig[LanguageRow, LanguageColumn]):
    """A table of the 3DSS-VLG paper, or our small version of it."""

    kind: Literal["language"]
    recipe: str  # of the runs: a VlgConfig in configs/
    run: dict[str, Any] = Field(default_factory=dict)  # changes to the recipe in every row
    toy_language: str | None = None  # recipe of the toy model in configs/, trained once to {out}/toy_language
    bound: Bound | None = None  # measured first; nothing else is run if it is not met

    @model_validator(mode="after")
    def _shares_whole_runs(self) -> "LanguageStudy":
        for row in self.rows:
            if row.like is not None and (row.recipe or row.run):
                raise ValueError(f"row {row.name}: a row with `like` has no run of its own")
        names = {row.name for row in self.rows}
        if self.bound is not None and not {self.bound.row, self.bound.above} <= names:
            raise ValueError(f"bound: {self.bound.row} or {self.bound.above}: no such row")
        for name in () if self.bound is None else (self.bound.row, self.bound.above):
            if self.columns[0] not in self.columns_of(self.row(name)):
                raise ValueError(f"bound: row {name} is not measured in the first column, {self.columns[0].name}")
        for column in self.columns:
            if unknown := set(column.rows or ()) - names:
                raise ValueError(f"column {column.name}: {unknown}: no such row")
        return self

    def settings(self, row: LanguageRow) -> dict[str, Any]:
        """The VlgConfig of a row's run, with unfilled placeholders."""
        owner = self.owner(row)
        return recipe_with(owner.recipe or self.recipe, self.run, owner.run)

    def columns_of(self, row: LanguageRow) -> tuple[LanguageColumn, ...]:
        """The columns that are measured for a row."""
        measured = () if row.quoted else self.columns
        return tuple(column for column in measured if column.rows is None or row.name in column.rows)

    def words_asked(self, row: LanguageRow, column: LanguageColumn) -> str:
        """The vocabulary of the answers, also for rows that train with fewer words."""
        owner = self.owner(row)
        return column.vocabulary or recipe_with(owner.recipe or self.recipe, self.run)["vocabulary"]
