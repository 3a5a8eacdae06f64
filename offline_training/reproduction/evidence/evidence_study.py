"""A study of whether one pre-training is better than another: the same probes of every frozen network, compared in pairs."""

from typing import Any, Literal

from pydantic import Field, model_validator

from lidar_vl_core.foundation.config import Config
from offline_training.reproduction.base.study import StudyColumn, StudyConfig
from offline_training.reproduction.pretraining.pretraining_study import PretrainingRow, PretrainingStudy


class EvidenceColumn(StudyColumn):
    """A column: linear probes with a number of labelled scans."""

    measure: Literal["probes"] = "probes"
    scans: int = Field(ge=1)


class ProbeConfig(Config):
    """The data of every probe of a study; the draws are the same for all rows and seeds."""

    pool: tuple[dict[str, Any], ...]  # data sets from which labelled scans are drawn
    test: tuple[dict[str, Any], ...]  # other streets, one scan of each, because two of one street are not independent
    draws: int = Field(default=10, ge=1)  # draws of labelled scans, for each column
    rows_per_scan: int = Field(default=400, ge=1)  # random network rows per scan that a probe learns from
    test_rows_per_scan: int = Field(default=3000, ge=1)

    @model_validator(mode="after")
    def _one_scan_of_a_street(self) -> "ProbeConfig":
        if any(source.get("frames_per_street", 1) != 1 for source in self.test if source["kind"] == "synthetic"):
            raise ValueError("test: expected frames_per_street: 1, because scans of one street are not independent")
        return self


class Comparison(Config):
    """A question of the study: is `row` ahead of `to`?"""

    row: str
    to: str

    @property
    def name(self) -> str:
        """The name in tables."""
        return f"{self.row} - {self.to}"


class EvidenceStudy(StudyConfig[PretrainingRow, EvidenceColumn]):
    """Rows are pre-trainings, columns numbers of labelled scans."""

    kind: Literal["evidence"]
    pretrain: dict[str, Any] = Field(default_factory=dict)  # changes to the recipes in every row
    toy_teacher: dict[str, Any] | None = None  # a ToyTeacherConfig without `out`: trained first
    weak_labels: tuple[dict[str, Any], ...] = ()  # WeakLabelConfigs: made before the rows
    probe: ProbeConfig
    compare: tuple[Comparison, ...]
    replicates: int = Field(default=1000, ge=1)  # replicates of the bootstrap

    @model_validator(mode="after")
    def _asks_of_its_rows(self) -> "EvidenceStudy":
        names = {row.name for row in self.rows}
        for one in self.compare:
            if unknown := {one.row, one.to} - names:
                raise ValueError(f"compare: {', '.join(sorted(unknown))}: no such row")
        if not any(row.recipe for row in self.rows):
            raise ValueError("rows: expected at least one with a recipe, whose network the rows without a recipe use")
        return self

    @property
    def trainings(self) -> PretrainingStudy:
        """The pre-trainings alone, as a pre-training study."""
        shared = ("title", "source", "seeds", "rows", "pretrain", "toy_teacher", "weak_labels")
        return PretrainingStudy(kind="pretraining", columns=(), **{name: getattr(self, name) for name in shared})
