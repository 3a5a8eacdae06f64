"""Parking: a tiny data set with boxes for training tests, and short runs on it."""

from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.points_in_boxes import count_points_in_boxes
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.config import validated
from offline_training.datasets.base.box_sample import BoxSample
from offline_training.finetuning.detection.config import DetectFinetuneConfig

SIZE_M = (4.0, 1.8, 1.5)
FRAME = "lidar"


class Parking:
    """Flat ground with two parked cars, in other places for each number."""

    def __init__(self, classes: str = "kitti3", scans: int = 4) -> None:
        self.classes = class_table(classes)
        self._scans = scans

    def __len__(self) -> int:
        return self._scans

    def __getitem__(self, index: int) -> BoxSample:
        rng = np.random.default_rng(index)
        boxes = self.boxes(index)
        ground = np.column_stack([rng.uniform(-16, 16, (500, 2)), np.full(500, -1.7)])
        cars = [box[:3] + rng.uniform(-0.49, 0.49, (60, 3)) * SIZE_M for box in boxes.boxes]
        xyz_m = np.concatenate([ground, *cars]).astype(np.float32)
        cloud = PointCloud(xyz_m, rng.random(len(xyz_m), np.float32), 0, FRAME)
        return BoxSample(f"parking{index}", cloud, boxes, self.classes, count_points_in_boxes(xyz_m, boxes.boxes))

    def boxes(self, index: int) -> Boxes3d:
        rng = np.random.default_rng(100 + index)
        places = [(rng.uniform(3, 12), rng.uniform(-12, 12)), (rng.uniform(-12, -3), rng.uniform(-12, 12))]
        rows = [[x, y, -0.95, *SIZE_M, 0.0] for x, y in places]
        return Boxes3d.of(np.array(rows), np.zeros(2), velocity_mps=np.zeros((2, 2)), frame_id=FRAME)


def settings(out: Path, **changes: object) -> dict:
    source = {"kind": "pandaset", "folder": "unused"}
    return {
        "task": "detection",
        "out": str(out),
        "train": [source],
        "network": "centerpoint",
        "voxel_size": [0.5, 0.5, 0.25],
        "point_cloud_range": [-16.0, -16.0, -5.0, 16.0, 16.0, 3.0],
        "bev_layers": [1],
        "bev_strides": [1],
        "bev_widths": [16],
        "bev_up_strides": [1],
        "bev_up_widths": [16],
        "shared_channels": 16,
        "augment": None,
        "max_steps": 6,
        "batch_size": 2,
        "checkpoint_every": 3,
        "threads": 1,
        "workers": 0,
        "device": "cpu",
        **changes,
    }


def config(out: Path, **changes: object) -> DetectFinetuneConfig:
    return validated(DetectFinetuneConfig, settings(out, **changes), "test")
