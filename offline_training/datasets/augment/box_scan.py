"""BoxScan: the arrays of a scan with boxes that augmentation touches, and how both move together."""

from dataclasses import dataclass, replace

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.sweeps.joining import TIME_LAG
from offline_training.datasets.base.box_sample import BoxSample


@dataclass(frozen=True, eq=False)
class BoxScan:
    """Points and the boxes among them; row i is one point, and one box, throughout."""

    xyz_m: np.ndarray  # (N, 3) float32
    intensity: np.ndarray  # (N,) float32, 0..1
    boxes: Boxes3d
    point_count: np.ndarray  # (B,) int64 points of the annotated sweep in each box, before augmentation
    time_lag_s: np.ndarray | None = None  # (N,) float32 seconds before the annotated sweep, where sweeps are joined
    ground: np.ndarray | None = None  # (4,) float64, as BoxSample has it; lost when the scan is changed

    def __len__(self) -> int:
        return len(self.xyz_m)

    def take(self, rows: np.ndarray) -> "BoxScan":
        """Some of the points, all boxes. rows: (n,) indices, or a mask (N,)."""
        lag = None if self.time_lag_s is None else self.time_lag_s[rows]
        return replace(self, xyz_m=self.xyz_m[rows], intensity=self.intensity[rows], time_lag_s=lag)

    def take_boxes(self, rows: np.ndarray) -> "BoxScan":
        """Some of the boxes, all points. rows: (m,) indices, or a mask (M,)."""
        return replace(self, boxes=self.boxes.taken(rows), point_count=self.point_count[rows])


def box_scan(sample: BoxSample) -> BoxScan:
    """The points of a sample that have a return, and all its boxes."""
    cloud = sample.cloud
    lag = cloud.extra.get(TIME_LAG)
    scan = BoxScan(cloud.xyz_m, cloud.intensity, sample.boxes, sample.point_count, lag, sample.ground)
    met = cloud.has_return()
    return scan if met.all() else scan.take(met)


def flipped_left_right(scan: BoxScan) -> BoxScan:
    """The mirror image in the plane of x and z: y becomes -y."""
    return _mirrored(scan, axis=1, yaw_rad=-scan.boxes.boxes[:, 6])


def flipped_front_back(scan: BoxScan) -> BoxScan:
    """The mirror image in the plane of y and z: x becomes -x."""
    return _mirrored(scan, axis=0, yaw_rad=np.pi - scan.boxes.boxes[:, 6])


def turned(scan: BoxScan, angle_rad: float) -> BoxScan:
    """Turned about z, from +x towards +y."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    xyz_m, boxes, velocity = scan.xyz_m.copy(), scan.boxes.boxes.copy(), scan.boxes.velocity_mps
    xyz_m[:, :2] = scan.xyz_m[:, :2] @ turn.T.astype(np.float32)
    boxes[:, :2] = boxes[:, :2] @ turn.T
    boxes[:, 6] = _within_a_turn(boxes[:, 6] + angle_rad)
    return _with(scan, xyz_m, boxes, velocity @ turn.T.astype(np.float32))


def scaled(scan: BoxScan, factor: float) -> BoxScan:
    """Everything larger or smaller, distances and velocities as well as things."""
    boxes = scan.boxes.boxes.copy()
    boxes[:, :6] *= factor
    return _with(scan, scan.xyz_m * np.float32(factor), boxes, scan.boxes.velocity_mps * np.float32(factor))


def shifted(scan: BoxScan, shift_m: np.ndarray) -> BoxScan:
    """Everything moved by (3,) metres."""
    boxes = scan.boxes.boxes.copy()
    boxes[:, :3] += shift_m
    return _with(scan, scan.xyz_m + np.asarray(shift_m, np.float32), boxes, scan.boxes.velocity_mps)


def _mirrored(scan: BoxScan, axis: int, yaw_rad: np.ndarray) -> BoxScan:
    xyz_m, boxes, velocity = scan.xyz_m.copy(), scan.boxes.boxes.copy(), scan.boxes.velocity_mps.copy()
    for values in (xyz_m, boxes, velocity):
        values[:, axis] *= -1
    boxes[:, 6] = _within_a_turn(yaw_rad)
    return _with(scan, xyz_m, boxes, velocity)


def _with(scan: BoxScan, xyz_m: np.ndarray, boxes: np.ndarray, velocity_mps: np.ndarray) -> BoxScan:
    moved = replace(scan.boxes, boxes=boxes, velocity_mps=velocity_mps.astype(np.float32, copy=False))
    return replace(scan, xyz_m=xyz_m.astype(np.float32, copy=False), boxes=moved, ground=None)


def _within_a_turn(yaw_rad: np.ndarray) -> np.ndarray:
    """The same headings in -pi..pi."""
    return np.arctan2(np.sin(yaw_rad), np.cos(yaw_rad))
