"""What every maker of weak labels offers: WeakLabeler looks at images, LabelReader takes what lies ready; both make WeakLabels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadLabels
from offline_training.weak_labels.classes.ontology import Ontology


@dataclass(frozen=True, eq=False)
class WeakLabels:
    """Labels of one image."""

    class_id: np.ndarray  # (H, W) uint8: id into the ontology, 255 = uncovered
    score: np.ndarray  # (H, W) uint8: confidence 0..255 of the class, 0 where uncovered
    instance_id: np.ndarray  # (H, W) uint16: 1.. = mask of the image, 0 = none

    def __post_init__(self) -> None:
        """Raise BadLabels when the three do not belong together."""
        shape = self.class_id.shape
        for name, dtype in (("class_id", np.uint8), ("score", np.uint8), ("instance_id", np.uint16)):
            array = getattr(self, name)
            if array.shape != shape or array.ndim != 2 or array.dtype != dtype:
                raise BadLabels(
                    f"weak labels: expected {name} (H, W) {np.dtype(dtype)} of one size with class_id {shape}, found "
                    f"{array.shape} {array.dtype}. Fix the labeler."
                )

    def require_classes(self, ontology: Ontology) -> None:
        """Raise BadLabels where an id is neither a class of the ontology nor 255."""
        foreign = (self.class_id >= len(ontology)) & (self.class_id != IGNORE_ID)
        if foreign.any():
            raise BadLabels(
                f"weak labels: expected ids 0..{len(ontology) - 1} of {ontology.name} or {IGNORE_ID}, found "
                f"{np.unique(self.class_id[foreign])[:8].tolist()}. Fix the labeler's class map."
            )


@runtime_checkable
class WeakLabeler(Protocol):
    """Labels images by what is seen in them."""

    @property
    def ontology(self) -> Ontology:
        """The classes the ids stand for."""
        ...

    def identity(self) -> dict[str, Any]:
        """All that decides over the result, as JSON: model, revision, prompts, thresholds, rule. Labels are kept under it."""
        ...

    def label(self, images: Sequence[np.ndarray]) -> list[WeakLabels]:
        """Label images (H, W, 3) uint8 RGB, which may differ in size; one answer each, of the image's size."""
        ...


@runtime_checkable
class LabelReader(Protocol):
    """Has labels lying ready, found by a view instead of by what is seen in its image."""

    @property
    def ontology(self) -> Ontology:
        """The classes the ids stand for."""
        ...

    def identity(self) -> dict[str, Any]:
        """All that decides over the result but the stored labels themselves."""
        ...

    def read_bytes(self, view: CameraView) -> bytes:
        """The labels of a view as they are stored; raises BadLabels where there are none."""
        ...

    def labels(self, content: bytes, view: CameraView) -> WeakLabels:
        """The labels in those bytes; raises BadLabels where they do not fit."""
        ...
