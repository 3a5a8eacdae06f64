"""Images of NYU Depth V2 with depth and masks of 13 classes: each a scene of its own, as they have no poses.

Folder: NNNN_rgb.png, NNNN_depth_mm.png (16 bits, registered to the colours) and NNNN_label13.png (0 = unlabelled); images
without depth are no scenes. The scene's frame is the camera's with x forward, y left, z up.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCalibration, BadDataset
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_files import image_size, opened_picture, read_picture_bytes, read_rgb
from offline_training.datasets.rgbd.files.rgbd_frames import read_matrix
from offline_training.datasets.rgbd.files.rgbd_scenes import RgbdScenes, Views
from offline_training.datasets.rgbd.files.rgbd_view import read_depth_m

LABEL_TABLE = "nyuv2_13"
_UNITS_PER_M = 1000.0
_K = np.array([[518.858, 0.0, 325.582], [0.0, 519.470, 253.736], [0.0, 0.0, 1.0]])  # of the toolbox's RGB camera
_T_CAM_SCENE = RigidTransform(np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.zeros(3))


def holds_nyu_frames(folder: Path) -> bool:
    """True for a folder of such images."""
    return any(folder.glob("*_depth_mm.png"))


class NyuFrames(RgbdScenes[str]):
    """Images as samples: every pixel with depth is a point."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        classes: ClassTable | None = None,
        label_table: str | None = LABEL_TABLE,
    ) -> None:
        """sequences: numbers such as 0001; label_table: what the masks' ids mean, None = without them. Raises BadDataset."""
        super().__init__(folder, None, classes or class_table("nyu13"), None, label_table)
        there = sorted(path.name.removesuffix("_depth_mm.png") for path in self.folder.glob("*_depth_mm.png"))
        self.scenes = [name for name in there if sequences is None or name in sequences]
        self._require_scenes(
            self.folder,
            "NNNN_depth_mm.png beside NNNN_rgb.png",
            f"depth of {', '.join(there) or 'none'}",
            [name for name in sequences or () if name not in there],
            "Fix `sequences`.",
        )

    def __getitem__(self, index: int) -> Sample:
        """The points of an image with their colours and classes; raises BadDataset naming the file when one is damaged."""
        name, (view,) = self.scenes[index], self.views(index)
        depth_m, rgb = self._depth_m(name, view.camera), view.load_rgb()
        v, u = np.nonzero(depth_m > 0.0)
        xyz_cam_m = view.camera.unproject(np.stack((u, v), axis=1), depth_m[v, u])
        xyz_m = _T_CAM_SCENE.inverse().apply(xyz_cam_m).astype(np.float32)
        cloud = PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, "camera_flu", {"rgb": rgb[v, u]})
        mask = self._mask(name, view.camera)
        return Sample(name, cloud, None if mask is None else mask[v, u], self.classes, (view,))

    def _read_views(self, name: str) -> Views:
        """The image itself, never left out: there is no pose that could be wrong."""
        path = self.folder / f"{name}_rgb.png"
        own = self.folder / "camera-intrinsics.txt"
        try:
            camera = CameraModel(*image_size(path, name), read_matrix(own)[:3, :3] if own.exists() else _K)
        except BadCalibration as error:
            raise BadDataset(f"{own}: {error}") from error
        load_rgb, read_bytes = partial(read_rgb, path, name, camera), partial(read_picture_bytes, path, name)
        load_depth_m = partial(self._depth_m, name, camera)
        return [CameraView("rgb", camera, _T_CAM_SCENE, 0, load_rgb, read_bytes, path.name, load_depth_m)], 0

    def _depth_m(self, name: str, camera: CameraModel) -> np.ndarray:
        path = self.folder / f"{name}_depth_mm.png"
        depth_m = read_depth_m(path, name, _UNITS_PER_M)
        _require_size(path, name, depth_m, camera)
        return depth_m

    def _mask(self, name: str, camera: CameraModel) -> np.ndarray | None:
        """(H, W) uint8 class of each pixel, None where masks are not asked for or not there."""
        path = self.folder / f"{name}_label13.png"
        if self._label_map is None or not path.exists():
            return None
        with opened_picture(path, name, "mask") as image:
            raw = np.asarray(image)
        _require_size(path, name, raw, camera)
        return self._label_map.apply(raw.reshape(-1)).reshape(raw.shape)


def _require_size(path: Path, name: str, image: np.ndarray, camera: CameraModel) -> None:
    if image.shape != (camera.height, camera.width):
        raise BadDataset(
            f"{name}: expected one channel of {camera.width}x{camera.height} pixels in {path}, as its colours have, found "
            f"shape {image.shape}. Copy the image's files again."
        )
