"""What check-data says of RGB-D scenes: whether points, depth images and poses belong together."""

from typing import Protocol, runtime_checkable

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud

_CELL_M = 0.05
_PIXELS = 2000
_RELATIVE_MARGIN = 0.25  # of the depth test of 3DSS-VLG
_LEAST_ON_POINTS = 0.3  # of a depth image; where its pose is wrong it floats in the air or behind walls


@runtime_checkable
class RgbdSource(Protocol):
    """Data sets of scenes with RGB-D views."""

    def skipped_views(self, index: int) -> int:
        """How many views of a scene are left out as their poses mean nothing."""
        ...


def some_views(views: tuple[CameraView, ...]) -> list[CameraView]:
    """The first, the middle and the last of many views, else all."""
    if len(views) <= 6:  # as many as a car has
        return list(views)
    return [views[place] for place in (0, len(views) // 2, len(views) - 1)]


def depth_told(view: CameraView, cloud: PointCloud) -> tuple[str, bool]:
    """What the depth image of a view shows and how it fits the points; False where it does not lie on them."""
    if view.load_depth_m is None:
        return "", True
    depth_m = view.load_depth_m()
    known = depth_m[depth_m > 0.0]
    if len(known) == 0:
        return ", no depth", True
    share = _share_on_points(view, depth_m, cloud.xyz_m)
    told = (
        f", depth {known.min():.2f} to {known.max():.2f} m on {100 * len(known) / depth_m.size:.0f} % of it, "
        f"{100 * share:.0f} % of that on points of the scene, {100 * _seen_share(view, depth_m, cloud.xyz_m):.0f} % of the "
        "points in the image seen"
    )
    return told, share >= _LEAST_ON_POINTS


def _share_on_points(view: CameraView, depth_m: np.ndarray, xyz_m: np.ndarray) -> float:
    """Share of the measured pixels that have a point of the scene within about two cells."""
    v, u = np.nonzero(depth_m > 0.0)
    chosen = np.linspace(0, len(u) - 1, min(_PIXELS, len(u))).astype(np.int64)
    uv_px = np.stack((u[chosen], v[chosen]), axis=1)
    measured_m = view.T_cam_lidar.inverse().apply(view.camera.unproject(uv_px, depth_m[v[chosen], u[chosen]]))
    finite = xyz_m[np.isfinite(xyz_m).all(axis=1)]
    occupied = np.unique(_keys(np.floor(finite.astype(np.float64) / _CELL_M).astype(np.int64)))
    cell = np.floor(measured_m / _CELL_M).astype(np.int64)
    offsets = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    on_points = np.isin(_keys(cell[:, None] + offsets), occupied).any(axis=1)
    return float(on_points.mean())


def _seen_share(view: CameraView, depth_m: np.ndarray, xyz_m: np.ndarray) -> float:
    """Share of the points in the image that pass the depth test, of those where depth was measured."""
    uv_px, z_m, visible = view.camera.project(view.T_cam_lidar.apply(xyz_m))
    u, v = np.rint(uv_px[visible]).astype(np.int64).T
    measured_m = depth_m[v, u]
    near = np.abs(measured_m - z_m[visible]) <= _RELATIVE_MARGIN * measured_m
    return float(near[measured_m > 0.0].mean()) if (measured_m > 0.0).any() else 0.0


def _keys(cell: np.ndarray) -> np.ndarray:
    """(..., 3) cells -> (...) int64, different within 26 km."""
    x, y, z = np.moveaxis((cell + (1 << 19)) & ((1 << 20) - 1), -1, 0)
    return (x << 40) | (y << 20) | z
