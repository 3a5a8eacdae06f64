"""IoU of rotated boxes, beside shapely in the same run, NMS, and points in boxes. Run: python -m tests.bench.core.boxes. Figures are medians."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lidar_vl_core.boxes.iou import bev_iou, iou_3d
from lidar_vl_core.boxes.nms import rotated_nms
from lidar_vl_core.boxes.points_in_boxes import count_points_in_boxes
from tests.bench.report.table import print_table, row
from tests.written.made_boxes import iou_of_rectangles, made_boxes, rectangles

REPEATS = 11
NEAR = 160, 125  # boxes of which nearly all are near each other
NEAR_PAIRS = NEAR[0] * NEAR[1]
POINTS, MANY = 100_000, 200
BOXES = 500  # of a scene of 120 m
ANCHORS, PRE_MAX, POST_MAX = 211_200, 4096, 500  # SECOND on KITTI: 200 x 176 cells, 3 classes, 2 headings


def measure() -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}."""
    rng = np.random.default_rng(0)
    near_a, near_b = (made_boxes(rng, count, 4.0) for count in NEAR)
    scene_a, scene_b = made_boxes(rng, BOXES, 60.0), made_boxes(rng, BOXES, 60.0)
    anchors, score = made_boxes(rng, ANCHORS, 40.0), rng.random(ANCHORS)
    crowd = made_boxes(rng, MANY, 60.0)
    xyz_m = np.column_stack([rng.normal(0.0, 20.0, (POINTS, 2)), rng.uniform(-2.0, 2.0, POINTS)]).astype(np.float32)
    scene: dict[str, Callable[[], Any]] = {
        f"bird's-eye view IoU of {BOXES} x {BOXES} in a scene": partial(bev_iou, scene_a, scene_b),
        f"3D IoU of {BOXES} x {BOXES} in a scene": partial(iou_3d, scene_a, scene_b),
        f"rotated NMS, the best {PRE_MAX} of {ANCHORS // 1000}k": partial(
            rotated_nms, anchors, score, 0.1, PRE_MAX, POST_MAX
        ),
        f"{POINTS // 1000}k points in {MANY} boxes": partial(count_points_in_boxes, xyz_m, crowd),
    }
    polygons = np.repeat(rectangles(near_a), NEAR[1]), np.tile(rectangles(near_b), NEAR[0])
    near = {"ours": partial(bev_iou, near_a, near_b), "shapely": partial(iou_of_rectangles, *polygons)}
    median_s = {name: statistics.median(times) for name, times in _interleaved({**near, **scene}).items()}
    off = np.abs(bev_iou(near_a, near_b).ravel() - iou_of_rectangles(*polygons)).max()
    about = f"boxes: IoU of {NEAR_PAIRS // 1000}k near pairs"
    return [
        row(f"{about}, 1 thread", NEAR_PAIRS / median_s["ours"] / 1e6, "Mpairs/s"),
        row(f"{about}, shapely", NEAR_PAIRS / median_s["shapely"] / 1e6, "Mpairs/s"),
        row(f"{about}, times as fast as shapely", median_s["shapely"] / median_s["ours"], "x", at_least=10.0),
        row(f"{about}, largest difference from shapely", off, "", below=1e-5),
        *(row(f"boxes: {name}", median_s[name] * 1e3, "ms") for name in scene),
    ]


def _interleaved(variants: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Seconds of each variant, in turn again and again, so that a busy moment meets all of them."""
    for run in variants.values():
        run()
    times_s: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(REPEATS):
        for name, run in variants.items():
            started = time.perf_counter()
            run()
            times_s[name].append(time.perf_counter() - started)
    return times_s


if __name__ == "__main__":
    print_table(measure())
