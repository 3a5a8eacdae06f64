"""Small label stores, and a labeler that counts what it was shown."""

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.weak_labels.classes.ontology import Ontology
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels
from offline_training.weak_labels.store.label_store import LabelStore
from offline_training.weak_labels.store.store_section import content_sha256

SIZE = (4, 6)
ONTOLOGY = validated(
    Ontology,
    {
        "name": "two",
        "classes": [{"name": n, "color_rgb": [1, 2, 3], "prompts": [n]} for n in ("dark", "bright")],
    },
    "test",
)
IDENTITY = {"model": "m", "revision": "1", "thresholds": [0.25]}


def picture_view(content=b"picture", size=SIZE, name="front"):
    camera = CameraModel(size[1], size[0], np.array([[50.0, 0, 3], [0, 50.0, 2], [0, 0, 1]]))
    still = RigidTransform(np.eye(3), np.zeros(3))
    return CameraView(name, camera, still, 0, lambda: np.zeros((*size, 3), np.uint8), lambda: content, f"{name}.jpg")


def constant_labels(value=1, size=SIZE):
    return WeakLabels(np.full(size, value, np.uint8), np.full(size, 200, np.uint8), np.full(size, 300, np.uint16))


def opened_store(folder, **changes):
    return LabelStore(folder, {**IDENTITY, **changes}, ONTOLOGY)


def written_store(folder, view=None):
    view, store = view or picture_view(), opened_store(folder)
    with store.writing():
        store.write(content_sha256(view), constant_labels())
    return store


class Dark:
    """A labeler that counts what it was shown."""

    ontology = ONTOLOGY

    def __init__(self):
        self.pictures = 0

    def identity(self):
        return IDENTITY

    def label(self, images):
        self.pictures += len(images)
        return [constant_labels(0, image.shape[:2]) for image in images]
