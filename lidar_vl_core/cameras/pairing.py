"""Which point of a sweep is seen at which pixel of which camera; one function for training and for drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.foundation.compiled import read_only
from lidar_vl_core.foundation.errors import BadCalibration
from lidar_vl_core.geometry.rigid_transform import RigidTransform

PixelOfPoint = Literal["rounded", "floor"]


@dataclass(frozen=True)
class ZBuffer:
    """Hide points behind nearer points of the same sweep.

    A point is hidden when a point in its cell of the image, or in one of the eight cells around it, is nearer by more
    than the margin, and by more than a road seen at a grazing angle rises within that reach: a plane at a distance h from
    the camera changes its inverse depth by pixels / (focal length * h). Without that second test most of the road hides
    itself. Cells: half the gap between scan lines in the image is a good width (32 beams, 1600 px: 12; 64 beams: 4 to 8).
    """

    cell_px: int = 8
    relative_margin: float = 0.05  # of the nearer depth; range noise and rough surfaces
    surface_distance_m: float = 1.0  # h: no large surface passes the camera closer; below its height over the road

    def __post_init__(self) -> None:
        """Raise BadCalibration for values that would hide nothing or everything."""
        if self.cell_px < 1 or not self.relative_margin >= 0.0 or not self.surface_distance_m > 0.0:
            raise BadCalibration(
                "ZBuffer: expected cell_px >= 1, relative_margin >= 0 and surface_distance_m > 0, found "
                f"{self.cell_px}, {self.relative_margin} and {self.surface_distance_m}."
            )


@dataclass(frozen=True, eq=False)
class DepthImages:
    """Keep points whose depth agrees with a measured or rendered depth image, |z - d| <= margin * d.

    Pixels without depth (0, NaN, Inf) prove nothing and keep no point.
    """

    depth_m: Sequence[np.ndarray]  # one (H, W) image per view, of the camera's size, metres along the optical axis
    relative_margin: float = 0.05


@dataclass(frozen=True, eq=False)
class Pairs:
    """P point-pixel pairs, sorted by camera, then by point. A point seen by two cameras is in two pairs."""

    point_index: np.ndarray  # (P,) int64 into the cloud
    camera_index: np.ndarray  # (P,) int64 into the views
    pixel_uv: np.ndarray  # (P, 2) int32: column, row
    depth_m: np.ndarray  # (P,) float32 along the optical axis

    def __len__(self) -> int:
        return len(self.point_index)


def point_pixel_pairs(
    xyz_m: np.ndarray,
    views: Sequence[tuple[CameraModel, RigidTransform]],
    min_depth_m: float = 1.0,
    border_px: int = 0,
    occlusion: ZBuffer | DepthImages | None = None,
    pixel: PixelOfPoint = "rounded",
) -> Pairs:
    """Pair points (N, 3) with the pixels they project to.

    views: camera and T_cam_lidar of each image, with the camera's own pose at its own time. A pair is kept when
    depth > min_depth_m and border < u < width - 1 - border, v alike (nuScenes devkit, SLidR, OLIVINE: 1 m, border 0).
    Pixels are rounded, as there, or the next lower ones (ScaLR). Non-finite points pair with nothing. Raises BadCalibration when depth images do not fit the views.
    """
    if isinstance(occlusion, DepthImages):
        _require_depth_of_each_view(occlusion, views)
    seen = [
        _seen_by(camera_index, view, xyz_m, min_depth_m, border_px, occlusion, pixel == "floor")
        for camera_index, view in enumerate(views)
    ]
    counts = [len(point_index) for point_index, _, _ in seen]
    return Pairs(
        point_index=np.concatenate([np.empty(0, np.int64), *(point_index for point_index, _, _ in seen)]),
        camera_index=np.repeat(np.arange(len(views)), counts),
        pixel_uv=np.concatenate([np.empty((0, 2), np.int32), *(pixel_uv for _, pixel_uv, _ in seen)]),
        depth_m=np.concatenate([np.empty(0, np.float32), *(depth_m for _, _, depth_m in seen)]),
    )


def _seen_by(
    camera_index: int,
    view: tuple[CameraModel, RigidTransform],
    xyz_m: np.ndarray,
    min_depth_m: float,
    border_px: int,
    occlusion: ZBuffer | DepthImages | None,
    floor: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Point index, pixel and depth of what one camera sees."""
    camera, T_cam_lidar = view
    point_index, pixel_uv, depth_m = _projected(xyz_m, camera, T_cam_lidar, min_depth_m, border_px, floor)
    if isinstance(occlusion, ZBuffer):
        kept = _not_behind_others(pixel_uv, depth_m, camera, occlusion)
    elif isinstance(occlusion, DepthImages):
        kept = _agrees(pixel_uv, depth_m, occlusion.depth_m[camera_index], occlusion.relative_margin)
    else:
        kept = np.ones(len(depth_m), bool)
    return point_index[kept], pixel_uv[kept], depth_m[kept].astype(np.float32)


def _projected(
    xyz_m: np.ndarray,
    camera: CameraModel,
    T_cam_lidar: RigidTransform,
    min_depth_m: float,
    border_px: int,
    floor: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Point index, pixel and depth of the points on the image, as CameraModel.project() places them."""
    from lidar_vl_core.cameras.pairing_loops import EQUIDISTANT, NO_LENS, POLYNOMIAL, seen_points

    count, distortion = len(xyz_m), camera.distortion
    lens = EQUIDISTANT if distortion.model == "equidistant" else NO_LENS if distortion.is_none else POLYNOMIAL
    coefficients = np.zeros(8)
    coefficients[: len(distortion.coefficients)] = distortion.coefficients
    largest_square = np.inf if lens == NO_LENS else distortion.largest_radius**2
    border = max(float(border_px), -0.5)
    bounds = np.array([border, border, camera.width - 1.0 - border, camera.height - 1.0 - border])
    point_index, pixel_uv, depth_m = np.empty(count, np.int64), np.empty((count, 2), np.int32), np.empty(count)
    seen = seen_points(
        read_only(xyz_m, xyz_m.dtype), T_cam_lidar.matrix()[:3], read_only(camera.K, np.float64), lens, coefficients, largest_square,
        max(float(min_depth_m), 0.0), bounds, floor, point_index, pixel_uv, depth_m,
    )  # fmt: skip
    on_world = slice(None) if camera.mask is None else camera.mask[pixel_uv[:seen, 1], pixel_uv[:seen, 0]]
    return point_index[:seen][on_world], pixel_uv[:seen][on_world], depth_m[:seen][on_world]


def _not_behind_others(
    pixel_uv: np.ndarray, depth_m: np.ndarray, camera: CameraModel, occlusion: ZBuffer
) -> np.ndarray:
    """(P,) bool."""
    from lidar_vl_core.cameras.pairing_loops import not_behind

    rows, columns = -(-camera.height // occlusion.cell_px), -(-camera.width // occlusion.cell_px)
    reach_px = 1.5 * occlusion.cell_px  # from the middle of a cell to the far side of its neighbour
    grazing = reach_px / (min(camera.K[0, 0], camera.K[1, 1]) * occlusion.surface_distance_m)  # 1/m
    return not_behind(pixel_uv, depth_m, occlusion.cell_px, columns, rows, occlusion.relative_margin, grazing)


def _agrees(pixel_uv: np.ndarray, depth_m: np.ndarray, measured_m: np.ndarray, relative_margin: float) -> np.ndarray:
    """(P,) bool."""
    there_m = measured_m[pixel_uv[:, 1], pixel_uv[:, 0]].astype(np.float64)
    known = np.isfinite(there_m) & (there_m > 0.0)
    there_m = np.where(known, there_m, 0.0)
    return known & (np.abs(depth_m - there_m) <= relative_margin * there_m)


def _require_depth_of_each_view(occlusion: DepthImages, views: Sequence[tuple[CameraModel, RigidTransform]]) -> None:
    wanted = [(camera.height, camera.width) for camera, _ in views]
    found = [depth_m.shape for depth_m in occlusion.depth_m]
    if wanted != found:
        raise BadCalibration(
            f"depth images: expected shapes {wanted}, one per camera, found {found}. Resize the camera with "
            "CameraModel.scaled, or give the depth image of each view."
        )
