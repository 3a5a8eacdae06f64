"""A study that asks whether one pre-training is ahead of another: the same frozen probes of every network, compared in pairs."""

from typing import Any, Literal

from pydantic import Field, model_validator

from lidar_vl_core.foundation.config import Config
from offline_training.reproduction.base.study import StudyColumn, StudyConfig
from offline_training.reproduction.pretraining.pretraining_study import PretrainingRow, PretrainingStudy


class EvidenceColumn(StudyColumn):
    """Linear probes by so many labelled scans."""

    measure: Literal["probes"] = "probes"
    scans: int = Field(ge=1)


class ProbeConfig(Config):
    """What every probe of a study reads; the draws are the same for all rows and seeds."""

    pool: tuple[dict[str, Any], ...]  # data sets whose scans are drawn, with their labels
    test: tuple[dict[str, Any], ...]  # other streets: one scan of each, as two of one street are not two observations
    draws: int = Field(default=10, ge=1)  # of labelled scans, for each column
    rows_per_scan: int = Field(default=400, ge=1)  # of the network's rows, by chance, that a probe learns from
    test_rows_per_scan: int = Field(default=3000, ge=1)

    @model_validator(mode="after")
    def _one_scan_of_a_street(self) -> "ProbeConfig":
        if any(source.get("frames_per_street", 1) != 1 for source in self.test if source["kind"] == "synthetic"):
            raise ValueError("test: expected frames_per_street: 1, as scans of one street are not independent")
        return self


class Comparison(Config):
    """A question to the study: is `row` ahead of `to`?"""

    row: str
    to: str

    @property
    def name(self) -> str:
        """As tables have it."""
        return f"{self.row} - {self.to}"


class EvidenceStudy(StudyConfig[PretrainingRow, EvidenceColumn]):
    """Rows are pre-trainings, columns numbers of labelled scans."""

    kind: Literal["evidence"]
    pretrain: dict[str, Any] = Field(default_factory=dict)  # what differs from the recipes in every row
    toy_teacher: dict[str, Any] | None = None  # a ToyTeacherConfig but for `out`: trained first
    weak_labels: tuple[dict[str, Any], ...] = ()  # WeakLabelConfigs: made before the rows
    probe: ProbeConfig
    compare: tuple[Comparison, ...]
    replicates: int = Field(default=1000, ge=1)  # of the bootstrap

    @model_validator(mode="after")
    def _asks_of_its_rows(self) -> "EvidenceStudy":
        names = {row.name for row in self.rows}
        for one in self.compare:
            if unknown := {one.row, one.to} - names:
                raise ValueError(f"compare: {', '.join(sorted(unknown))}: no such row")
        if not any(row.recipe for row in self.rows):
            raise ValueError("rows: expected one with a recipe, whose network the rows without one have, too")
        return self

    @property
    def trainings(self) -> PretrainingStudy:
        """The pre-trainings alone, as a study of nothing else."""
        shared = ("title", "source", "seeds", "rows", "pretrain", "toy_teacher", "weak_labels")
        return PretrainingStudy(kind="pretraining", columns=(), **{name: getattr(self, name) for name in shared})
