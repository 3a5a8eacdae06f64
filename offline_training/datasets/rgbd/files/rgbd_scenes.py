"""What the readers of RGB-D scenes share: the chosen scenes, their views, read once, and their classes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import numpy as np
from pydantic import Field

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import label_map
from lidar_vl_core.classes.label_map import LabelMap
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.base.source_config import Names, SequencesSource

SceneT = TypeVar("SceneT")
Views = tuple[Sequence[CameraView], int]  # and how many were left out as their pose is not finite or not rigid


class ViewStepSource(SequencesSource):
    """Keys of scenes with many views."""

    view_step: Annotated[int, Field(ge=1)] | None = Field(default=None, description="every n-th view; default: all")


def by_scenes(
    reader: Callable[[Path, Names, Names, ClassTable, int | None], SampleSource],
) -> Callable[[ViewStepSource, Names, ClassTable], SampleSource]:
    """How to open a data set whose reader takes its folder, scenes, names of views, classes and step of views."""
    return lambda source, scenes, classes: reader(Path(source.folder), scenes, source.frames, classes, source.view_step)


class RgbdScenes(ABC, Generic[SceneT]):
    """Scenes with views. A child sets `scenes`, and says how the views of one are read and what its sample is."""

    scenes: Sequence[SceneT]

    def __init__(
        self,
        folder: Path,
        frames: Sequence[str] | None,
        classes: ClassTable,
        view_step: int | None,
        labels: str | None,
    ) -> None:
        """frames: names of views; view_step: every n-th; labels: what the raw ids mean, None = without labels."""
        self.folder, self.classes = Path(folder), classes
        self._frames, self._view_step = frames, view_step
        self._label_map: LabelMap | None = None if labels is None else label_map(labels, classes)
        self._views: dict[int, Views] = {}

    def __len__(self) -> int:
        return len(self.scenes)

    def views(self, index: int) -> tuple[CameraView, ...]:
        """The views of a scene, without its points; raises BadDataset."""
        return tuple(self._views_of(index)[0])

    def skipped_views(self, index: int) -> int:
        """How many views of a scene are left out because their pose is not finite or not rigid."""
        return self._views_of(index)[1]

    def _views_of(self, index: int) -> Views:
        if index not in self._views:
            self._views[index] = self._read_views(self.scenes[index])
        return self._views[index]

    @abstractmethod
    def _read_views(self, scene: SceneT) -> Views:
        """The views of a scene from its files; asked for once a scene."""

    def _chosen(self, views: Sequence[CameraView]) -> list[CameraView]:
        return [view for view in views if self._frames is None or view.name in self._frames]

    def _class_id(self, raw: np.ndarray | None) -> np.ndarray | None:
        return None if raw is None or self._label_map is None else self._label_map.apply(raw)

    def _require_scenes(self, where: Path, expected: str, found: str, missing: Sequence[str], advice: str) -> None:
        """Raise BadDataset where no scene is left or one that was asked for is missing."""
        if missing or not self.scenes:
            lacks = f", none for {', '.join(missing[:5])}" if missing else ""
            raise BadDataset(f"{where}: expected {expected}, found {found}{lacks}. {advice}")
