"""Rooms with two cameras for tests of pre-training: a red floor and blue walls, seen from the middle; no files, milliseconds."""

from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample
from offline_training.pretraining.base.config import PretrainConfig
from offline_training.pretraining.config import pretrain_config_of
from offline_training.pretraining.known_methods import METHODS
from offline_training.weak_labels.classes.ontology import load_ontology
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels
from offline_training.weak_labels.store.label_store import LabelStore
from offline_training.weak_labels.store.store_section import content_sha256

FLOOR, WALL = 10, 14
WIDTH, HEIGHT = 64, 48
_LOOKING_FORWARD = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])  # camera z = x of the cloud
_LOOKING_BACK = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])


class Rooms:
    """Other points for each number, 0.5 s apart in one drive; `blind` rooms have a camera that sees nothing."""

    classes = class_table("nuscenes16")

    def __init__(self, count: int = 4, blind: bool = False, points: int = 700, labelled: bool = True) -> None:
        self.count, self.blind, self.points, self.labelled = count, blind, points, labelled

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        xyz_m, class_id = _points(np.random.default_rng(index), self.points)
        cloud = PointCloud(xyz_m, np.linspace(0, 1, len(xyz_m), dtype=np.float32), index * 500_000_000, "lidar")
        class_id = class_id if self.labelled else np.full_like(class_id, 255)
        return Sample(f"room{index}", cloud, class_id, self.classes, _views(index, self.blind))

    def T_world_lidar(self, index: int) -> RigidTransform:
        return RigidTransform.identity()


class ListedRooms(Rooms):
    """Rooms whose neighbours are not known."""

    T_world_lidar = None  # type: ignore[assignment]


def _points(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    floor = np.column_stack([rng.uniform(-9, 9, (count, 2)), np.full(count, -1.5)])
    wall = np.column_stack([rng.choice([-9.0, 9.0], count), rng.uniform(-9, 9, count), rng.uniform(-1.4, 4, count)])
    class_id = np.repeat([FLOOR, WALL], count).astype(np.uint8)
    return np.concatenate([floor, wall]).astype(np.float32), class_id


def _views(index: int, blind: bool) -> tuple[CameraView, ...]:
    K = np.array([[40.0, 0.0, WIDTH / 2], [0.0, 40.0, HEIGHT / 2], [0.0, 0.0, 1.0]])
    camera = CameraModel(WIDTH, HEIGHT, K)
    away = RigidTransform(_LOOKING_BACK, np.array([0.0, 0.0, -100.0 if blind else 0.0]))
    turns = (RigidTransform(_LOOKING_FORWARD, np.zeros(3)), away)
    return tuple(
        CameraView(f"camera{number}", camera, turn, 0, _picture(index, number)) for number, turn in enumerate(turns)
    )


class _picture:  # noqa: N801  a picklable function
    """Walls blue above, floor red below, with a texture of the room's own."""

    def __init__(self, index: int, number: int) -> None:
        self.seed = [index, number]

    def __call__(self) -> np.ndarray:
        rgb = np.random.default_rng(self.seed).integers(0, 60, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        rgb[: HEIGHT // 2 + 5, :, 2] += 180
        rgb[HEIGHT // 2 + 5 :, :, 0] += 180
        return rgb


def settings(out: Path, method: str = "olivine", **changes: object) -> dict:
    """Small ones of a method, without those that it has not."""
    small = {
        "method": method,
        "out": str(out),
        "train": [{"kind": "pandaset", "folder": "unused"}],
        "labels": "truth",
        "stem": 16,
        "planes": [16] * 8,
        "voxel_size": [0.5, 0.5, 0.5],
        "point_cloud_range": [-16.0, -16.0, -8.0, 16.0, 16.0, 8.0],
        "teacher": "espnet",
        "allow_random_weights": True,
        "image_size": [48, 64],
        "augment": {"min_pairs": 20},
        "matches": 128,
        "optimizer": "adamw",
        "learning_rate": 0.005,
        "schedule": "cosine_per_step",
        "max_steps": 3,
        "batch_size": 2,
        "vmf_decay": 0.5,
        "vmf_freeze_step": 0,
        "checkpoint_every": 100,
        "threads": 1,
        "workers": 0,
        "device": "cpu",
        "progress": False,
    }
    known = set(METHODS[method].config.model_fields if method in METHODS else small)
    if method == "weak_cross_entropy":
        known -= {"teacher", "allow_random_weights"}  # it has no teacher, and refuses them
    return {**{name: value for name, value in small.items() if name in known}, **changes}


def config(out: Path, **changes: object) -> PretrainConfig:
    return pretrain_config_of(settings(out, **changes), "test")


def write_superpixels(folder: Path, rooms: Rooms) -> Path:
    """A store of superpixels of 8 x 8 over the rooms' pictures, and of nothing else."""
    store = LabelStore(folder, superpixel_identity={"superpixels": "test"})
    row, column = np.indices((HEIGHT, WIDTH))
    with store.writing():
        for view in (view for n in range(len(rooms)) for view in rooms[n].views):
            store.write_superpixels(content_sha256(view), (row // 8 * 8 + column // 8).astype(np.uint16))
    return folder


def write_labels(folder: Path, rooms: Rooms) -> Path:
    """A label store over the rooms' pictures: wall above, floor below, a strip of nothing; superpixels of 8 x 8."""
    store = LabelStore(folder, {"labeler": "test"}, load_ontology("seem_nuscenes"), {"superpixels": "test"})
    row, column = np.indices((HEIGHT, WIDTH))
    class_id = np.where(row < HEIGHT // 2, 14, 10).astype(np.uint8)
    class_id[:, :4] = 255
    labels = WeakLabels(class_id, np.full_like(class_id, 200), np.zeros(class_id.shape, np.uint16))
    with store.writing():
        for view in {view.name + str(n): view for n in range(len(rooms)) for view in rooms[n].views}.values():
            store.write(content_sha256(view), labels)
            store.write_superpixels(content_sha256(view), (row // 8 * 8 + column // 8).astype(np.uint16))
    return folder


def of_store(method: str, labels: str) -> dict[str, str]:
    """The keys that make a method read a label store, of those that read one."""
    known = METHODS[method].config.model_fields
    return {name: value for name, value in (("labels", "weak"), ("weak_labels", labels)) if name in known}
