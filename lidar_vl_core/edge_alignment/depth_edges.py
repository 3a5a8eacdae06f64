"""Depth edges of a cloud as a camera sees them: where something near ends in front of something far."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.pairing import ZBuffer, point_pixel_pairs
from lidar_vl_core.geometry.rigid_transform import RigidTransform

# What lies between two neighbouring points is taken for a surface where the line of sight meets it at more than this angle,
# and for a gap below it: a road 1.75 m below the sensors is seen at 2.5 degrees at 40 m.
_STEEPEST_DEG = 2.5
_FARTHEST_M = 40.0  # of the near side of an edge
_NEAREST_M = 1.5
_LEAST_JUMP_M = 0.5
_SAME_SURFACE = 0.03  # of the range, from one point to the next
_LINE_PX = 2.0  # points of such a strip of the image are neighbours of each other


@dataclass(frozen=True, eq=False)
class DepthEdges:
    """E places in a camera's optical frame, at the depth of the near side, half way to the far side in the image."""

    xyz_cam_m: np.ndarray  # (E, 3) float64
    is_upright: np.ndarray  # (E,) bool: near and far lie side by side, else above each other

    def __len__(self) -> int:
        return len(self.xyz_cam_m)


def depth_edges(xyz_m: np.ndarray, camera: CameraModel, T_cam_lidar: RigidTransform) -> DepthEdges:
    """Edges between neighbouring points (N, 3) of a sweep in the image; needs no rings and no order of the points."""
    pairs = point_pixel_pairs(xyz_m, [(camera, T_cam_lidar)], _NEAREST_M, border_px=1, occlusion=ZBuffer(cell_px=4))
    xyz_cam_m = T_cam_lidar.apply(xyz_m[pairs.point_index].astype(np.float64))
    uv_px, depth_m, _ = camera.project(xyz_cam_m)
    found = []
    for along, focal_px in ((0, camera.K[0, 0]), (1, camera.K[1, 1])):
        near, middle_px = _gaps(uv_px[:, along], uv_px[:, 1 - along], depth_m, float(focal_px))
        middle_uv_px = middle_px if along == 0 else middle_px[:, ::-1]
        found.append(camera.unproject(middle_uv_px, depth_m[near]))
    upright = np.repeat([True, False], [len(edges) for edges in found])
    places_m = np.concatenate(found)
    usable = np.isfinite(places_m).all(axis=1)
    return DepthEdges(places_m[usable], upright[usable])


def _gaps(
    along_px: np.ndarray, across_px: np.ndarray, depth_m: np.ndarray, focal_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Between neighbours on strips of the image: row of the near point (E,), and middle of the gap (E, 2) along and across."""
    strip = np.floor(across_px / _LINE_PX)
    order = np.lexsort((along_px, strip))
    if len(order) < 4:
        return np.empty(0, np.int64), np.empty((0, 2))
    before, first, second, after = (order[start : len(order) - 3 + start] for start in range(4))
    is_rise = depth_m[first] < depth_m[second]
    near, far = np.where(is_rise, first, second), np.where(is_rise, second, first)
    near_m, far_m = depth_m[near], depth_m[far]
    gap_px, jump_m = along_px[second] - along_px[first], far_m - near_m
    with np.errstate(divide="ignore", invalid="ignore"):  # neighbours at one place
        slope = gap_px / focal_px * far_m / jump_m  # tangent of the angle between the line of sight and a surface there
    # Both sides go on behind their first point: leaves, fences and points between two surfaces have no edge to be seen.
    beside_near_m, beside_far_m = depth_m[np.where(is_rise, before, after)], depth_m[np.where(is_rise, after, before)]
    is_edge = (strip[before] == strip[after]) & (jump_m > _LEAST_JUMP_M) & (near_m < _FARTHEST_M)
    is_edge &= slope < np.tan(np.radians(_STEEPEST_DEG))
    is_edge &= np.abs(beside_near_m - near_m) < _SAME_SURFACE * near_m
    is_edge &= beside_far_m > near_m + jump_m / 2
    middle_px = np.stack([(values[first] + values[second]) / 2 for values in (along_px, across_px)], axis=1)
    return near[is_edge], middle_px[is_edge]
