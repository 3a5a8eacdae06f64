"""A moment of the synthetic street as a LiDAR and six cameras see it: what the makers of street recordings write."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.classes.label_map import LabelMap
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.synthetic.sensors.drive import SyntheticDrive, SyntheticFrame, SyntheticView
from offline_training.synthetic.sensors.lidar_spec import LIDARS

STREET = class_table("nuscenes16")  # the classes of the synthetic street
_SEED = 1
_STEPS_PER_M = 256  # places in steps of 4 mm: their float32 end in zeros, which packs well

_CITYSCAPES = {
    "barrier": 4, "bicycle": 18, "bus": 15, "car": 13, "construction_vehicle": 14, "motorcycle": 17, "pedestrian": 11,
    "traffic_cone": 7, "trailer": 14, "truck": 14, "driveable_surface": 0, "other_flat": 1, "sidewalk": 1, "terrain": 9,
    "manmade": 2, "vegetation": 8,
}  # fmt: skip
_CITYSCAPES_SKY, _CITYSCAPES_NONE = 10, 19


@cache
def street(lidar: str, azimuth_steps: int, image_width: int) -> SyntheticDrive:
    """The one street of all recordings under a LiDAR with fewer columns than the real one."""
    return SyntheticDrive(_SEED, replace(LIDARS[lidar], azimuth_steps=azimuth_steps), image_width=image_width)


def places(xyz_m: np.ndarray) -> np.ndarray:
    """(N, 3) float32 in steps of 4 mm."""
    return (np.round(np.asarray(xyz_m, np.float64) * _STEPS_PER_M) / _STEPS_PER_M).astype(np.float32)


def camera_pose(frame: SyntheticFrame, view: SyntheticView) -> RigidTransform:
    """T_world_cam at the picture's own time."""
    return frame.T_world_lidar @ view.T_cam_lidar.inverse()


def raw_ids(source: str, target: ClassTable = STREET) -> np.ndarray:
    """(256,) uint8: for each class of a table a raw id of the data set that means it; 0 for a class it does not know."""
    meaning = label_map(source, target)
    raw = np.zeros(256, np.uint8)
    for one in range(255, 0, -1):  # the smallest id stays
        if (class_id := _class_of(meaning, one)) is not None:
            raw[class_id] = one
    return raw


def cityscapes_labels(view: SyntheticView) -> np.ndarray:
    """(H, W) uint8 Cityscapes ids as a weak labeller gives them: right but for borders, which are two pixels coarse."""
    ids = np.full(256, _CITYSCAPES_NONE, np.uint8)
    for name, value in _CITYSCAPES.items():
        ids[STREET.id_of(name)] = value
    labels = np.where(np.isinf(view.depth_m), _CITYSCAPES_SKY, ids[view.class_id])
    height, width = labels.shape
    return labels[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)[:height, :width].astype(np.uint8)


def save_picture(path: Path, image: np.ndarray, quality: int = 75) -> None:
    """A JPEG or PNG, by the name."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"quality": quality} if path.suffix == ".jpg" else {"optimize": True}
    Image.fromarray(image).save(path, **options)


def _class_of(meaning: LabelMap, raw_id: int) -> int | None:
    from lidar_vl_core.foundation.errors import BadLabels

    try:
        class_id = int(meaning.apply(np.array([raw_id], np.uint32))[0])
    except BadLabels:
        return None
    return None if class_id == 255 else class_id
