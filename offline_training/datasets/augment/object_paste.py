"""Ground-truth sampling (Yan et al., SECOND, 2018): objects of other scans are pasted where nothing stands."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.near_names import did_you_mean
from offline_training.datasets.augment.box_scan import BoxScan

if TYPE_CHECKING:
    from offline_training.datasets.augment.object_database import ObjectDatabase


class PasteConfig(Config):
    """How many objects are tried in a scan; those that would touch others are left out."""

    objects: dict[str, int] = Field(default_factory=dict)  # class -> how many
    fill_up: bool = True  # so many together with what the scan has; False: so many besides


def require_classes_of(config: PasteConfig, database: "ObjectDatabase") -> None:
    """Raise BadConfig for a class that the database does not know, or a number below zero."""
    for name, count in config.objects.items():
        if name not in database.classes or count < 0:
            raise BadConfig(
                f"objects: expected classes of {database.folder} ({', '.join(database.classes)}) with numbers from 0, found "
                f"{name}: {count}.{did_you_mean(name, database.classes)}"
            )


def paste_objects(scan: BoxScan, database: "ObjectDatabase", config: PasteConfig, rng: np.random.Generator) -> BoxScan:
    """The scan with objects at the places where they stood in their own scans, and on its road where that is told.

    No pasted box overlaps another one from above; the scan's points in pasted boxes go, as the objects hide them.
    """
    require_classes_of(config, database)
    rows = np.concatenate(
        [np.zeros(0, np.int64), *(_drawn(scan, database, database.classes.index(name), count, config.fill_up, rng)
                                  for name, count in config.objects.items())]
    )  # fmt: skip
    rows = rows[free_places(database.box[rows], scan.boxes.boxes)]
    return scan if len(rows) == 0 else _pasted(scan, database, rows)


def free_places(boxes: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """(N,) bool which boxes (N, 7) touch, from above, neither the taken ones (M, 7) nor a free one before them."""
    from lidar_vl_core.boxes.iou import bev_iou  # here, as configurations are read without numba

    touches_taken = np.asarray((bev_iou(boxes, taken) > 0).any(axis=1))
    touches = bev_iou(boxes, boxes) > 0
    free = np.zeros(len(boxes), bool)
    for row in range(len(boxes)):
        free[row] = not touches_taken[row] and not (touches[row] & free).any()
    return free


def _drawn(
    scan: BoxScan, database: "ObjectDatabase", class_id: int, count: int, fill_up: bool, rng: np.random.Generator
) -> np.ndarray:
    """(D,) rows of different objects of a class."""
    if fill_up:
        count -= int((scan.boxes.class_id == class_id).sum())
    stock = np.flatnonzero(database.class_id == class_id)
    return rng.choice(stock, min(max(count, 0), len(stock)), replace=False)


def _pasted(scan: BoxScan, database: "ObjectDatabase", rows: np.ndarray) -> BoxScan:
    from lidar_vl_core.boxes.points_in_boxes import points_in_boxes  # here, as configurations are read without numba

    boxes = _on_ground(database.box[rows], scan.ground)
    objects = [database.points(row) for row in rows]
    count = np.array([len(points) for points in objects])
    points = np.concatenate(objects)
    hidden, _ = points_in_boxes(scan.xyz_m, boxes)
    kept = np.ones(len(scan), bool)
    kept[hidden] = False
    rest = scan.take(kept)
    xyz_m = (points[:, :3] + np.repeat(boxes[:, :3], count, axis=0)).astype(np.float32)
    lag = None if rest.time_lag_s is None else np.concatenate([points[:, 4], rest.time_lag_s])
    new = Boxes3d.of(
        boxes, database.class_id[rows], velocity_mps=database.velocity_mps[rows], frame_id=scan.boxes.frame_id
    )
    return BoxScan(
        xyz_m=np.concatenate([xyz_m, rest.xyz_m]),
        intensity=np.concatenate([points[:, 3], rest.intensity]),
        boxes=_joined(scan.boxes, new),
        point_count=np.concatenate([scan.point_count, count]),
        time_lag_s=lag,
        ground=scan.ground,
    )


def _on_ground(boxes: np.ndarray, ground: np.ndarray | None) -> np.ndarray:
    """The boxes (N, 7) lifted or lowered until they stand on a plane (4,)."""
    if ground is None:
        return boxes
    a, b, c, d = ground
    standing = boxes.copy()
    standing[:, 2] = boxes[:, 5] / 2 - (a * boxes[:, 0] + b * boxes[:, 1] + d) / c
    return standing


def _joined(a: Boxes3d, b: Boxes3d) -> Boxes3d:
    return replace(
        a,
        boxes=np.concatenate([a.boxes, b.boxes]),
        class_id=np.concatenate([a.class_id, b.class_id]),
        score=np.concatenate([a.score, b.score]),
        velocity_mps=np.concatenate([a.velocity_mps, b.velocity_mps]),
    )
