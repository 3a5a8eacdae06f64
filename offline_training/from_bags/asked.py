"""What `from-bags` is asked for, and its recordings as data sources."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from lidar_vl_core.foundation.config import Config, validated
from offline_training.datasets.lidar.ros_bag import RosBagSource

Places = Mapping[str, Sequence[int]]  # a bag -> places of clouds


class Asked(Config):
    """The command line."""

    bags: tuple[str, ...] = Field(min_length=1)
    out: str = Field(min_length=1)
    weak_labels: str | None = None  # recipe of weak-label; its data and folder are replaced
    pretrain: str | None = None  # recipe of pretrain, the same
    teacher_weights: str | None = None  # in place of the recipe's
    steps: int | None = Field(default=None, ge=1)  # in place of the recipe's length
    cloud_topic: str | None = None
    label_field: str | None = None  # truth, for the probe alone
    label_table: str | None = None
    max_clouds: int = Field(default=2000, ge=2)  # of all bags together; they stay in memory

    @model_validator(mode="after")
    def _labels_are_told_whole(self) -> "Asked":
        if (self.label_field is None) != (self.label_table is None):
            raise ValueError("label_field, label_table: expected both or neither")
        if len({Path(bag).resolve() for bag in self.bags}) < len(self.bags):
            raise ValueError("bags: expected each once")
        return self

    @property
    def folder(self) -> Path:
        """Where all results go."""
        return Path(self.out)

    def sources(self, places: Places | None = None, with_truth: bool = False) -> list[dict[str, Any]]:
        """The bags as data sources, all clouds of them or those at some places. with_truth: labels are read, too."""
        truth = {"label_field": self.label_field, "label_table": self.label_table} if with_truth else {}
        found = []
        for bag in self.bags:
            source: dict[str, Any] = {"kind": "ros_bag", "folder": bag, "cloud_topic": self.cloud_topic, **truth}
            if places is not None:
                source["frames"] = [str(place) for place in places[bag]]
            found.append(source)
        return found

    def source(self, bag: str, places: Sequence[int], with_truth: bool = False) -> RosBagSource:
        """One bag at some places."""
        (found,) = self.model_copy(update={"bags": (bag,)}).sources({bag: places}, with_truth)
        return validated(RosBagSource, found, bag)
