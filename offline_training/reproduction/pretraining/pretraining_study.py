"""A study of pre-training, like OLIVINE's tables: rows are pre-trainings, columns are measures of them or of a fine-tuning."""

from typing import Any, Literal

from pydantic import Field, model_validator

from lidar_vl_core.foundation.config import Use
from offline_training.reproduction.base.study import StudyColumn, StudyConfig, StudyRow

Measure = Literal["mean_iou", "mce", "mrr", "corrupted_mean_iou", "box_ap", "hours", "memory_gb"]


class PretrainingRow(StudyRow):
    """A row: one initialisation of the 3D network."""

    recipe: str | None = None  # of the pre-training, a file in configs/; default: random weights
    pretrain: dict[str, Any] = Field(default_factory=dict)  # what differs from recipe and study
    finetune: dict[str, Any] = Field(default_factory=dict)  # changes to the fine-tuning in every column

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return ((self.recipe is not None, ("pretrain",), "with recipe, whose keys it changes"),)


class PretrainingColumn(StudyColumn):
    """A column: one thing that is measured for every row."""

    measure: Measure = "mean_iou"
    corruption: str | None = None  # a name of corruptions.CORRUPTIONS, for corrupted_mean_iou
    box_class: str | None = None  # for box_ap; default: the mean over classes
    recipe: str | None = None  # of the fine-tuning, a file in configs/; not for hours and memory_gb
    finetune: dict[str, Any] = Field(default_factory=dict)  # what differs from recipe and study
    test: tuple[dict[str, Any], ...] | None = None  # data sets of this column; default: the study's
    like: str | None = None  # measured on the fine-tuning of another column

    @model_validator(mode="after")
    def _needs_what_it_has(self) -> "PretrainingColumn":
        if (self.corruption is not None) != (self.measure == "corrupted_mean_iou"):
            raise ValueError(f"column {self.name}: corruption is for corrupted_mean_iou, which needs it")
        tunings = (self.recipe is not None) + (self.like is not None)
        if tunings != (0 if self.measure in ("hours", "memory_gb") else 1):
            raise ValueError(
                f"column {self.name}: hours and memory_gb take no fine-tuning; every other measure needs exactly one of recipe and like"
            )
        if self.box_class is not None and self.measure != "box_ap":
            raise ValueError(f"column {self.name}: box_class is for box_ap only")
        if self.finetune and self.recipe is None:
            raise ValueError(f"column {self.name}: finetune changes a recipe, but the column has none")
        return self


class PretrainingStudy(StudyConfig[PretrainingRow, PretrainingColumn]):
    """A table of the OLIVINE paper, or our small version of it."""

    kind: Literal["pretraining"]
    pretrain: dict[str, Any] = Field(default_factory=dict)  # changes to the recipes in every row
    finetune: dict[str, Any] = Field(default_factory=dict)  # changes to the recipes in every column
    test: tuple[dict[str, Any], ...] = ()  # data sets on which every fine-tuned network is measured
    toy_teacher: dict[str, Any] | None = None  # a ToyTeacherConfig without `out`: trained first
    weak_labels: tuple[dict[str, Any], ...] = ()  # WeakLabelConfigs: made before the rows
    nuscenes_c: str | None = None  # folder of nuScenes-C, for robustness columns
    robustness_baseline: dict[str, float] | None = (
        None  # mean IoU per corruption of the reference network, whose mCE is 100
    )

    @model_validator(mode="after")
    def _shares_whole_runs(self) -> "PretrainingStudy":
        for row in self.rows:
            if row.like is not None and (row.recipe or row.pretrain or row.finetune):
                raise ValueError(f"row {row.name}: a row with `like` has no runs of its own")
        tuned = {column.name for column in self.columns if column.recipe is not None}
        for column in self.columns:
            if column.like is not None and column.like not in tuned:
                raise ValueError(f"column {column.name}: like: {column.like} is not a column with a recipe")
        return self

    def tuning(self, column: PretrainingColumn) -> PretrainingColumn:
        """The column whose fine-tuning a column is measured on: itself, or the one that it is like."""
        named = (one for one in self.columns if one.name == column.like)
        return next(named, column)
