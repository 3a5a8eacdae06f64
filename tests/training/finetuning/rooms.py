"""Rooms: a tiny labelled data set for training tests, and short runs on it."""

from pathlib import Path

import numpy as np

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.config import validated
from offline_training.datasets.base.sample import Sample
from offline_training.finetuning.config import FinetuneConfig

GROUND, WALL, NOBODY = 10, 14, 255


class Rooms:
    """Flat ground and two walls, other ones for each number: two classes that a tiny network can tell apart."""

    classes = class_table("nuscenes16")

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        ground = np.column_stack([rng.uniform(-15, 15, (600, 2)), rng.normal(-1.8, 0.02, 600)])
        wall = np.column_stack([rng.uniform(-15, 15, 300), rng.choice([-8.0, 9.0], 300), rng.uniform(-1.5, 3, 300)])
        xyz_m = np.concatenate([ground, wall]).astype(np.float32)
        class_id = np.repeat([GROUND, WALL], [600, 300]).astype(np.uint8)
        class_id[::50] = NOBODY
        return Sample(
            f"room{index}", PointCloud(xyz_m, rng.random(900, np.float32), 0, "lidar"), class_id, self.classes
        )


def settings(out: Path, **changes: object) -> dict:
    source = {"kind": "pandaset", "folder": "unused"}
    return {
        "out": str(out),
        "train": [source],
        "stem": 16,
        "planes": [16] * 8,
        "voxel_size": [0.5, 0.5, 0.5],
        "point_cloud_range": [-32.0, -32.0, -8.0, 32.0, 32.0, 8.0],
        "max_steps": 8,
        "batch_size": 2,
        "learning_rate": 0.01,
        "checkpoint_every": 2,
        "validate_every": 1000,
        "threads": 1,
        "workers": 0,
        "device": "cpu",
        **changes,
    }


def config(out: Path, **changes: object) -> FinetuneConfig:
    return validated(FinetuneConfig, settings(out, **changes), "test")
