"""Ids that methods read from a label store: weak classes, superpixels or none. Reads files."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.weak_labels.store.label_store import LabelStore

_LOOKED_AT = 8  # samples of each source


class NamesStore(Protocol):
    """A method's configuration that names a label store."""

    @property
    def method(self) -> str:
        """Name of the method."""
        ...

    @property
    def weak_labels(self) -> str | None:
        """Folder of the store."""
        ...


@dataclass(frozen=True)
class StoredIds:
    """The ids of one kind that a store holds for every image; picklable."""

    store: LabelStore
    section: Literal["labels", "superpixels"]
    read: Callable[[LabelStore, CameraView], np.ndarray]

    def __call__(self, view: CameraView) -> np.ndarray:
        """(H, W) ids of a view's image. Raises BadLabels if they are missing or damaged."""
        return self.read(self.store, view)

    def identity(self) -> str:
        """Identity of the ids (what made them), as text."""
        return (self.store.folder / f"{self.section}.json").read_text()

    def require_some_pictures(self, sources: Iterable[SampleSource]) -> None:
        """Read the ids of some images of each source, spread evenly, so that missing ids are reported before training starts."""
        for source in sources:
            for place in sorted({len(source) * k // _LOOKED_AT for k in range(_LOOKED_AT)}):
                for view in source[place].views[:1]:
                    self(view)


def no_ids(config: object) -> None:
    """None, for methods that read no label store."""


def weak_classes(config: NamesStore) -> StoredIds:
    """The weak classes of a store. Raises BadConfig if no folder is named, BadRequest if it is not a store."""
    return StoredIds(_opened(config), "labels", LabelStore.read_class_id)


def superpixels(config: NamesStore) -> StoredIds:
    """The superpixels of a store. Raises as weak_classes."""
    return StoredIds(_opened(config), "superpixels", LabelStore.read_superpixels)


def _opened(config: NamesStore) -> LabelStore:
    if config.weak_labels is None:
        raise BadConfig(
            f"weak_labels: expected the folder of a label store for method {config.method}, found none. Make one with "
            "`lidar-vl-train weak-label` and set weak_labels to its folder."
        )
    return LabelStore(Path(config.weak_labels))
