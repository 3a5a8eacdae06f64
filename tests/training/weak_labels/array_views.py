"""Views of pictures in memory, and ontologies of a few words, for the tests of weak labels."""

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.weak_labels.classes.ontology import Ontology

RED = [200, 0, 0]


def array_camera(width, height):
    return CameraModel(width, height, np.array([[50.0, 0, width / 2], [0, 50.0, height / 2], [0, 0, 1]]))


def array_view(rgb, name="front", stamp_ns=1_000, file=None, size=None, read_bytes=None):
    height, width = rgb.shape[:2] if size is None else size
    still = RigidTransform(np.eye(3), np.zeros(3))
    return CameraView(name, array_camera(width, height), still, stamp_ns, lambda: rgb, read_bytes, file)


def small_ontology(*names):
    return validated(
        Ontology,
        {"name": "test", "classes": [{"name": n, "color_rgb": RED, "prompts": [n]} for n in names]},
        "test",
    )


def grey_picture(value, size=(4, 6)):
    return np.full((*size, 3), value, np.uint8)
