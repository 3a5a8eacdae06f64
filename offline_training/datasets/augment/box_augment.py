"""Random changes to a scan and its boxes together, as OpenPCDet's detectors are trained with.

Every function takes the randomness as `rng`; none changes its arguments.
"""

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.config import Config
from offline_training.datasets.augment.box_scan import (
    BoxScan,
    flipped_front_back,
    flipped_left_right,
    scaled,
    shifted,
    turned,
)


class BoxAugmentConfig(Config):
    """How strongly scans are changed; ranges are uniform. The defaults are SECOND's and PV-RCNN's for KITTI."""

    flip_left_right_probability: float = 0.5
    flip_front_back_probability: float = 0.0  # 0.5 for sensors that see all around: nuScenes
    yaw_rad: float = 0.78539816  # rotation about z within +- this
    scale: tuple[float, float] = (0.95, 1.05)
    shift_m: float = 0.0  # standard deviation along each axis; CenterPoint: 0.5


def augment_boxes(scan: BoxScan, config: BoxAugmentConfig, rng: np.random.Generator) -> BoxScan:
    """Flip, turn, scale and shift a scan with its boxes; a point in a box stays in it."""
    if rng.random() < config.flip_left_right_probability:
        scan = flipped_left_right(scan)
    if rng.random() < config.flip_front_back_probability:
        scan = flipped_front_back(scan)
    scan = turned(scan, rng.uniform(-config.yaw_rad, config.yaw_rad))
    scan = scaled(scan, rng.uniform(*config.scale))
    return shifted(scan, rng.normal(0.0, config.shift_m, 3)) if config.shift_m > 0 else scan


def trainable_boxes(scan: BoxScan, range_m: tuple[float, ...], least_points: int) -> BoxScan:
    """The scan with those boxes alone that a detector is asked for.

    They have a class, at least `least_points` points, and their centre in range_m: x, y, z of the lower, then of the
    upper corner.
    """
    center_m = scan.boxes.boxes[:, :3]
    inside = ((center_m >= range_m[:3]) & (center_m <= range_m[3:])).all(axis=1)
    return scan.take_boxes(inside & (scan.boxes.class_id != IGNORE_ID) & (scan.point_count >= least_points))
