"""Image features onto points: each view's features are added to the points it sees, then averaged (OpenScene, CVPR 2023)."""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from lidar_vl_core.cameras.pairing import DepthImages, ZBuffer, point_pixel_pairs
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, BadImage
from offline_training.datasets.base.sample import Sample
from offline_training.words.scenes.extract_config import ExtractConfig
from offline_training.words.scenes.feature_loops import add_features
from offline_training.words.scenes.scene_features import SceneFeatures, points_sha256, scene_sha256
from offline_training.words.scenes.voxel_rows import voxel_rows

_WHOLE_PICTURE = -1  # border of point_pixel_pairs: points in the border still occlude those behind them
_LARGEST = float(np.finfo(np.float16).max)


def back_project(
    sample: Sample, image_features_of: Callable[[CameraView], Tensor], config: ExtractConfig
) -> SceneFeatures:
    """Average the image features of a sample's views over the points they see.

    image_features_of: view -> (C, h, w), cells spread evenly over its image; called for one view at a time, only for
    views that see a point. A point takes the feature of the cell that contains its pixel (nearest, as OpenScene).
    Raises BadConfig for views without the depth images that config.occlusion requires, and what reading one raises.
    """
    sums = FeatureSums(sample, config)
    for number, view in enumerate(sample.views):
        point_index, pixel_uv = seen_pixels(sample.cloud.measured_xyz_m(), view, config)
        if len(point_index):
            sums.add(number, point_index, pixel_uv, image_features_of(view))
    return sums.mean()


def seen_pixels(xyz_m: np.ndarray, view: CameraView, config: ExtractConfig) -> tuple[np.ndarray, np.ndarray]:
    """The points one view sees: point_index (P,) int64, pixel_uv (P, 2) int32 (column, row), in the order of the points.

    The projection is rounded to the nearest pixel; pixels within border_px of an edge are discarded.
    Raises BadConfig and BadImage where the depth that occlusion needs is missing or damaged.
    """
    camera, border = view.camera, config.border_px
    occlusion: DepthImages | ZBuffer | None = None
    if config.occlusion == "depth":
        occlusion = DepthImages([_depth_m(view)], config.relative_margin)
    elif config.occlusion == "z_buffer":
        occlusion = ZBuffer(config.z_buffer_cell_px, config.relative_margin)
    pairs = point_pixel_pairs(xyz_m, [(camera, view.T_cam_lidar)], config.min_depth_m, _WHOLE_PICTURE, occlusion)
    u, v = pairs.pixel_uv.T
    inside = (u >= border) & (u < camera.width - border) & (v >= border) & (v < camera.height - border)
    return pairs.point_index[inside], pairs.pixel_uv[inside]


class FeatureSums:
    """Sums and counts per row, added up view by view; holds rows x channels float32, for any number of views."""

    def __init__(self, sample: Sample, config: ExtractConfig, channels: int | None = None) -> None:
        """channels: width C, if known before the first view; default: that of the first one."""
        self._sample = sample
        self._row, rows = voxel_rows(sample.cloud.measured_xyz_m(), config.voxel_m)
        self._count = np.zeros(rows, np.int64)
        self._seen = np.zeros(len(sample.cloud), bool)
        self._view_bits = np.zeros((rows, -(-len(sample.views) // 8)), np.uint8)
        # Rows that no view sees cost nothing: the system allocates zeroed memory at the first write.
        self._sums = None if channels is None else np.zeros((rows, channels), np.float32)

    def add(self, view_number: int, point_index: np.ndarray, pixel_uv: np.ndarray, feature: Tensor) -> None:
        """Add the features (C, h, w) of one view at the pairs of seen_pixels().

        Raises BadDataset for another width C.
        """
        if self._sums is None:
            self._sums = np.zeros((len(self._count), len(feature)), np.float32)
        if feature.ndim != 3 or len(feature) != self._sums.shape[1]:
            raise BadDataset(
                f"{self._sample.name}: expected image features (C, h, w) with C = {self._sums.shape[1]} for each view, "
                f"found {tuple(feature.shape)}. Use one image model for all views."
            )
        camera = self._sample.views[view_number].camera
        cell = _cell_of(pixel_uv, (camera.height, camera.width), (feature.shape[1], feature.shape[2]))
        used, cell = np.unique(cell, return_inverse=True)
        of_used = feature.detach().flatten(1)[:, used].T.float().contiguous().cpu().numpy()
        row = self._row[point_index]
        add_features(self._sums, row, cell, of_used)
        self._count += np.bincount(row, minlength=len(self._count))
        self._seen[point_index] = True
        self._view_bits[row, view_number // 8] |= np.uint8(128 >> view_number % 8)

    def mean(self, left_out: tuple[str, ...] = ()) -> SceneFeatures:
        """The averages of the rows that were seen. Raises BadDataset if they exceed the range of half precision."""
        seen = np.flatnonzero(self._count)
        sums = np.zeros((len(self._count), 0), np.float32) if self._sums is None else self._sums
        mean = sums[seen] / self._count[seen, None].astype(np.float32)
        if mean.size and not float(np.abs(mean).max()) <= _LARGEST:  # also true for NaN
            raise BadDataset(
                f"{self._sample.name}: expected features of at most {_LARGEST:g}, found {np.abs(mean).max()}. "
                "The image model's output is unusable: check its weights."
            )
        new_row = np.full(len(self._count) + 1, -1, np.int32)  # the last row serves index -1
        new_row[seen] = np.arange(len(seen), dtype=np.int32)
        return SceneFeatures(
            feature=mean.astype(np.float16),
            row_of_point=np.where(self._seen, new_row[self._row], np.int32(-1)),
            view_bits=self._view_bits[seen],
            view_names=tuple(view.name for view in self._sample.views),
            left_out=left_out,
            scene_sha256=scene_sha256(self._sample),
            points_sha256=points_sha256(self._sample),
        )


def _cell_of(pixel_uv: np.ndarray, picture: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """(P,) int64 index, row by row, of the cell that contains the centre of each pixel; image and grid as (height, width)."""
    column = (2 * pixel_uv[:, 0].astype(np.int64) + 1) * grid[1] // (2 * picture[1])
    row = (2 * pixel_uv[:, 1].astype(np.int64) + 1) * grid[0] // (2 * picture[0])
    return row * grid[1] + column


def _depth_m(view: CameraView) -> np.ndarray:
    """Depth (H, W) in metres at the camera's size; a depth image of another size is sampled at the nearest pixel."""
    if view.load_depth_m is None:
        raise BadConfig(
            f"camera {view.name}: expected a depth image for extract.occlusion: depth, found none. "
            "Use extract.occlusion=z_buffer for LiDAR sweeps."
        )
    depth_m = view.load_depth_m()
    if depth_m.ndim != 2 or not depth_m.size:
        raise BadImage(f"camera {view.name}: expected a depth image (H, W), found {depth_m.shape}. Repair the file.")
    height, width = view.camera.height, view.camera.width
    if depth_m.shape == (height, width):
        return depth_m
    row = (2 * np.arange(height) + 1) * depth_m.shape[0] // (2 * height)
    column = (2 * np.arange(width) + 1) * depth_m.shape[1] // (2 * width)
    return depth_m[row[:, None], column]
