"""Precomputed labels: one PNG of class values per image, made by any network or person."""

from typing import Any

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadLabels
from offline_training.weak_labels.classes.class_values import ClassValues
from offline_training.weak_labels.classes.ontology import Ontology
from offline_training.weak_labels.pictures.id_picture import decode_ids
from offline_training.weak_labels.pictures.picture_path import PicturePath
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels


class PrecomputedLabels:
    """Reads labels from a folder of 8-bit PNGs of their image's size, whose values are classes; a LabelReader."""

    def __init__(self, path: PicturePath, values: ClassValues, ontology: Ontology) -> None:
        self._ontology, self._path, self._values = ontology, path, values

    @property
    def ontology(self) -> Ontology:
        """The classes the ids stand for."""
        return self._ontology

    def identity(self) -> dict[str, Any]:
        """The meaning of the values. The PNGs are compared one by one, so a changed one is read again."""
        return {
            "model": "precomputed",
            "source": self._values.source,
            "class_of_value": self._values.class_of_value.tolist(),
        }

    def read_bytes(self, view: CameraView) -> bytes:
        """The label file of a view. Raises BadLabels if there is none."""
        path = self._path.of(view)
        try:
            return path.read_bytes()
        except OSError as error:
            raise BadLabels(
                f"camera {view.name}: expected its labels in {path}, found: {error.strerror}. "
                "Correct folder or template, or add these labels."
            ) from error

    def labels(self, content: bytes, view: CameraView) -> WeakLabels:
        """The labels in the bytes of such a file. Raises BadLabels for another size or unknown values."""
        origin = str(self._path.of(view))
        value = decode_ids(content, origin)
        if value.dtype != np.uint8:
            raise BadLabels(f"{origin}: expected 8-bit class values, found {value.dtype}. Write them as 8-bit grey.")
        if value.shape != (view.camera.height, view.camera.width):
            raise BadLabels(
                f"{origin}: expected {view.camera.width}x{view.camera.height} pixels as in its image, found "
                f"{value.shape[1]}x{value.shape[0]}. Scale the labels to the images (nearest neighbour)."
            )
        class_id = self._values.class_id(value, origin)
        score = np.where(class_id == IGNORE_ID, np.uint8(0), np.uint8(255))
        return WeakLabels(class_id, score, np.zeros(class_id.shape, np.uint16))
