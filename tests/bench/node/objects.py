"""What the detection node does besides the network: sweeps joined, majorities, messages. Run: python -m tests.bench.node.objects. Figures are medians of the thread's own CPU time."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from lidar_vl_ros.messages.box_cloud import box_cloud
from lidar_vl_ros.messages.markers import object_markers
from lidar_vl_ros.messages.objects import FoundObjects, SecondOpinion
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.majority import majority_in_boxes
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.sweeps.joining import EarlierSweep, joined_sweeps
from tests.bench.report.table import print_table, row
from tests.written.made_boxes import made_boxes

REPEATS = 15
POINTS, SWEEPS, BOXES = 35_000, 10, 100  # nuScenes: a sweep of 32 beams, ten of them, a crowded crossing


def measure() -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}."""
    rng = np.random.default_rng(0)
    sweeps = [_sweep(rng, number) for number in range(SWEEPS)]
    T_now_then = RigidTransform.from_quaternion((0, 0, 0.01, np.sqrt(1 - 1e-4)), (0.5, 0.1, 0.0))
    earlier = [EarlierSweep(cloud, T_now_then) for cloud in sweeps[:-1]]
    boxes = Boxes3d.of(made_boxes(rng, BOXES, 50.0), rng.integers(0, 10, BOXES), None, rng.normal(0, 5, (BOXES, 2)))
    label = rng.integers(0, 16, POINTS).astype(np.uint8)
    majority = partial(majority_in_boxes, sweeps[-1].xyz_m, label, boxes.boxes)
    opinions = (SecondOpinion("segmentation", class_table("nuscenes16"), majority()),)
    found = FoundObjects(Header(frame_id="lidar"), boxes, class_table("nuscenes10"), opinions=opinions)
    steps: dict[str, Callable[[], Any]] = {
        f"joining {SWEEPS} sweeps of {POINTS // 1000}k points": partial(
            joined_sweeps, sweeps[-1], earlier, 10 * SWEEPS * POINTS
        ),
        f"majority of {POINTS // 1000}k labels in {BOXES} boxes": majority,
        f"markers of {BOXES} boxes, made and serialised": lambda: serialize_message(object_markers(found, 1.0)),
        f"cloud of {BOXES} boxes, made and serialised": lambda: serialize_message(box_cloud(found)),
    }
    return [row(f"objects: {name}", _median_ms(run), "ms CPU") for name, run in steps.items()]


def _sweep(rng: np.random.Generator, number: int) -> PointCloud:
    xyz_m = np.column_stack([rng.normal(0.0, 20.0, (POINTS, 2)), rng.uniform(-2.0, 2.0, POINTS)]).astype(np.float32)
    return PointCloud(xyz_m, rng.random(POINTS, np.float32), (number + 1) * 50_000_000, "lidar")


def _median_ms(run: Callable[[], Any]) -> float:
    times_s = []
    for _ in range(REPEATS):
        started_s = time.thread_time()
        run()
        times_s.append(time.thread_time() - started_s)
    return 1e3 * statistics.median(times_s)


if __name__ == "__main__":
    print_table(measure())
