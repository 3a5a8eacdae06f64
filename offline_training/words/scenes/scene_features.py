"""SceneFeatures: image features of a scene's points, one row per voxel (or point)."""

import hashlib
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.sample import Sample


@dataclass(frozen=True, eq=False)
class SceneFeatures:
    """Image features of a scene's points, averaged over the views that see them (OpenScene, CVPR 2023).

    V rows, C channels, N points of the cloud. A row is the mean over all observations, (point, view) pairs, of its
    points: a point seen by many views weighs more than one seen by few. With one row per point that is the paper's
    mean.
    """

    feature: np.ndarray  # (V, C) float16
    row_of_point: np.ndarray  # (N,) int32 into feature; -1 where no view sees the point
    view_bits: np.ndarray  # (V, ceil(views / 8)) uint8: which views see a row, packed as np.packbits does
    view_names: tuple[str, ...]  # in the order of the bits; empty for features whose views are unknown
    left_out: tuple[str, ...] = ()  # views whose image could not be read
    scene_sha256: str = ""  # of the cloud and the cameras, see scene_sha256(); empty if unknown
    points_sha256: str = ""  # of the cloud, see points_sha256(); empty if unknown, as in files of earlier versions

    def __post_init__(self) -> None:
        """Raise BadDataset if the parts do not belong together."""
        rows = len(self.feature)
        _require("feature", self.feature, (rows, self.feature.shape[-1]), np.float16)
        _require("row_of_point", self.row_of_point, (len(self.row_of_point),), np.int32)
        _require("view_bits", self.view_bits, (rows, -(-len(self.view_names) // 8)), np.uint8)
        if not np.isfinite(self.feature).all():
            raise BadDataset(
                "feature: expected finite numbers, found NaN or infinite ones. Check the weights of the image model, and make the "
                "features of this scene anew."
            )
        if len(self.row_of_point) and not (self.row_of_point.min() >= -1 and self.row_of_point.max() < rows):
            raise BadDataset(
                f"row_of_point: expected -1 to {rows - 1}, found {self.row_of_point.min()} to {self.row_of_point.max()}. "
                "Features and rows belong to different scenes: run extract-features again."
            )

    @property
    def visible(self) -> np.ndarray:
        """(N,) bool: the points that at least one view sees."""
        return self.row_of_point >= 0

    def per_point(self) -> np.ndarray:
        """(N, C) float32, zeros where no view sees the point."""
        feature = np.zeros((len(self.row_of_point), self.feature.shape[1]), np.float32)
        feature[self.visible] = self.feature[self.row_of_point[self.visible]]
        return feature

    def seen_by(self) -> np.ndarray:
        """(V, views) bool: whether a view sees a row."""
        return np.unpackbits(self.view_bits, axis=1, count=len(self.view_names)).astype(bool)

    def require_fits(self, sample: Sample) -> None:
        """Raise BadDataset unless these are features of exactly this cloud (in openscene issue 29 they were not, unnoticed)."""
        if len(self.row_of_point) != len(sample.cloud):
            raise BadDataset(
                f"features of {sample.name}: expected {len(sample.cloud)} points, as in its cloud, found "
                f"{len(self.row_of_point)}. They were made from another version of the cloud: run extract-features again."
            )
        if self.points_sha256 and self.points_sha256 != points_sha256(sample):
            raise BadDataset(
                f"features of {sample.name}: expected those of the {len(sample.cloud)} points of its cloud, found features of as "
                "many others. The cloud has changed since: run all stages again, from extract-features on."
            )


def points_sha256(sample: Sample) -> str:
    """Hex SHA-256 of a sample's points, in their order."""
    return hashlib.sha256(np.ascontiguousarray(sample.cloud.xyz_m).tobytes()).hexdigest()


def scene_sha256(sample: Sample) -> str:
    """Hex SHA-256 of a sample's points and of the name, file, camera and pose of each view; images are not read."""
    digest = hashlib.sha256(np.ascontiguousarray(sample.cloud.xyz_m).tobytes())
    for view in sample.views:
        camera = view.camera
        digest.update(f"{view.name} {view.file} {camera.width} {camera.height} {camera.model} {camera.D}\n".encode())
        for numbers in (camera.K, view.T_cam_lidar.rotation, view.T_cam_lidar.translation_m):
            digest.update(np.ascontiguousarray(numbers).tobytes())
    return digest.hexdigest()


def _require(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: type) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise BadDataset(
            f"{name}: expected shape {shape} of {np.dtype(dtype)}, found {array.shape} of {array.dtype}. "
            "Run extract-features again for this scene."
        )
