"""Method: everything pre-training needs to know about one method. Each module of methods/ defines one as METHOD."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from lidar_vl_core.foundation.config import Config
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.networks.base.point_backbone import PointBackbone, Preparer
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.pretraining.base.objective import Objective
from offline_training.pretraining.base.stored_ids import StoredIds, no_ids

ConfigT = TypeVar("ConfigT", bound=Config)
Views = Callable[[SampleSource, int, np.random.Generator], Any]  # draws one training item from a sample of a source
Collate = Callable[[Sequence[Any]], Any]  # training items of several samples -> a batch


@dataclass(frozen=True)
class Method(Generic[ConfigT]):
    """One method. The results of `views` and `collate` are picklable, because they are sent to loader processes."""

    config: type[ConfigT]  # a PretrainConfig whose default of `method` is the method's name
    views: Callable[[ConfigT, StoredIds | None], Views]
    collate: Callable[[ConfigT, Preparer], Collate]
    objective: Callable[[ConfigT, StoredIds | None, PointBackbone, ImageTeacher | None], Objective]  # with new heads
    reads: Callable[[ConfigT], StoredIds | None] = no_ids  # of a label store

    @property
    def name(self) -> str:
        """The method's name in configurations."""
        return str(self.config.model_fields["method"].default)
