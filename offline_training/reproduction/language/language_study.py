"""A study of 3DSS-VLG: rows are ways to train and to ask, columns what is measured of the answers."""

from typing import Any, Literal

from pydantic import Field, model_validator

from lidar_vl_core.foundation.config import Config, Use
from offline_training.reproduction.base.study import StudyColumn, StudyConfig, StudyRow, recipe_with
from offline_training.words.settings.question import Mode

Measure = Literal[
    "mean_iou",
    "mean_accuracy",
    # as the code of OpenScene and 3DSS-VLG: points without an answer left out, a class that is not in the truth counts 0
    "mean_iou_openscene",
    "pseudo_label_accuracy",  # of the training scenes' points that have a label
    "pseudo_label_mean_iou",  # of the training scenes' points that have a label
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
    """One way to train, and to ask what was trained; a row like another asks the same run in another way."""

    quoted: bool = False  # another method: its published numbers alone, nothing is run
    recipe: str | None = None  # of its run; nothing = the study's
    run: dict[str, Any] = Field(default_factory=dict)  # what differs from recipe and study in its VlgConfig
    mode: Mode = "3d"
    specialised: bool = False  # image features pass the adapter before they answer
    oracle_lists: bool = False  # answers are restricted to the classes that truly are in a scene
    constant: bool = False  # one vector for all points: what guidance gives that has learnt nothing

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        of_runs = ("like", "recipe", "run", "mode", "specialised", "oracle_lists", "constant")
        return ((not self.quoted, of_runs, "without quoted, of which nothing is run"),)


class LanguageColumn(StudyColumn):
    """One thing that is measured of every row."""

    measure: Measure = "mean_iou"
    of: tuple[str, ...] | None = None  # the mean over these classes alone; default: all that are in the truth
    test: tuple[dict[str, Any], ...] | None = None  # data sets of this column; nothing = the run's validation sets
    classes: str | None = None  # class table of their truth; nothing = the run's
    vocabulary: str | None = None  # words of the question; nothing = those of the row's recipe and study
    truth_as: dict[str, str] = Field(default_factory=dict)  # class of the truth -> class of the vocabulary it counts as
    rows: tuple[str, ...] | None = None  # measured of these rows alone

    @model_validator(mode="after")
    def _of_classes_that_are_measured(self) -> "LanguageColumn":
        if self.of is not None and self.measure not in OF_ONE_CLASS:
            raise ValueError(f"column {self.name}: {', '.join(OF_ONE_CLASS)} alone are known of single classes")
        return self


class Bound(Config):
    """What a study needs to be worth its time: a row that is the most a stage could give, so far above another."""

    row: str
    above: str
    points: float  # percent points of the study's first column, of its first seed


class LanguageStudy(StudyConfig[LanguageRow, LanguageColumn]):
    """A table of the 3DSS-VLG paper, or our small form of it."""

    kind: Literal["language"]
    recipe: str  # of the runs: a VlgConfig in configs/
    run: dict[str, Any] = Field(default_factory=dict)  # what differs from the recipe in every row
    toy_language: str | None = None  # recipe of the toy model in configs/: trained once into {out}/toy_language
    bound: Bound | None = None  # measured before all else; where it is missed nothing else is run

    @model_validator(mode="after")
    def _shares_whole_runs(self) -> "LanguageStudy":
        for row in self.rows:
            if row.like is not None and (row.recipe or row.run):
                raise ValueError(f"row {row.name}: a row like another has no run of its own")
        names = {row.name for row in self.rows}
        if self.bound is not None and not {self.bound.row, self.bound.above} <= names:
            raise ValueError(f"bound: {self.bound.row} or {self.bound.above} is no row")
        for column in self.columns:
            if unknown := set(column.rows or ()) - names:
                raise ValueError(f"column {column.name}: {unknown} are no rows")
        return self

    def settings(self, row: LanguageRow) -> dict[str, Any]:
        """The VlgConfig of a row's run, places not filled in."""
        owner = self.owner(row)
        return recipe_with(owner.recipe or self.recipe, self.run, owner.run)

    def columns_of(self, row: LanguageRow) -> tuple[LanguageColumn, ...]:
        """The columns that are measured of a row."""
        measured = () if row.quoted else self.columns
        return tuple(column for column in measured if column.rows is None or row.name in column.rows)

    def words_asked(self, row: LanguageRow, column: LanguageColumn) -> str:
        """The vocabulary that answers are given in: also of rows that train with fewer words."""
        owner = self.owner(row)
        return column.vocabulary or recipe_with(owner.recipe or self.recipe, self.run)["vocabulary"]
