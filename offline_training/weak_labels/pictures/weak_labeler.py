"""The interfaces of weak labelling: WeakLabeler labels images, LabelReader reads existing labels; both return WeakLabels."""

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
        """Raise BadLabels if the three do not belong together."""
        shape = self.class_id.shape
        for name, dtype in (("class_id", np.uint8), ("score", np.uint8), ("instance_id", np.uint16)):
            array = getattr(self, name)
            if array.shape != shape or array.ndim != 2 or array.dtype != dtype:
                raise BadLabels(
                    f"weak labels: expected {name} (H, W) {np.dtype(dtype)} of one size with class_id {shape}, found "
                    f"{array.shape} {array.dtype}. Fix the labeler."
                )

    def require_classes(self, ontology: Ontology) -> None:
        """Raise BadLabels if an id is neither a class of the ontology nor 255."""
        foreign = (self.class_id >= len(ontology)) & (self.class_id != IGNORE_ID)
        if foreign.any():
            raise BadLabels(
                f"weak labels: expected ids 0..{len(ontology) - 1} of {ontology.name} or {IGNORE_ID}, found "
                f"{np.unique(self.class_id[foreign])[:8].tolist()}. Fix the labeler's class map."
            )


@runtime_checkable
class WeakLabeler(Protocol):
    """Labels images by their content."""

    @property
    def ontology(self) -> Ontology:
        """The classes the ids stand for."""
        ...

    def identity(self) -> dict[str, Any]:
        """Everything that determines the result, as JSON: model, revision, prompts, thresholds, rule.

        Labels are stored under it.
        """
        ...

    def label(self, images: Sequence[np.ndarray]) -> list[WeakLabels]:
        """Label images (H, W, 3) uint8 RGB, which may differ in size; one answer each, of the image's size."""
        ...


@runtime_checkable
class LabelReader(Protocol):
    """Reads existing labels, found by view instead of by image content."""

    @property
    def ontology(self) -> Ontology:
        """The classes the ids stand for."""
        ...

    def identity(self) -> dict[str, Any]:
        """Everything that determines the result, except the stored labels themselves."""
        ...

    def read_bytes(self, view: CameraView) -> bytes:
        """The stored bytes of a view's labels. Raises BadLabels if there are none."""
        ...

    def labels(self, content: bytes, view: CameraView) -> WeakLabels:
        """The labels in those bytes. Raises BadLabels if they do not match the view."""
        ...
