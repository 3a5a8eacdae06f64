"""Scenes for tests of image features: a box in front of a wall, a model whose features say where a pixel lies."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadImage
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample
from offline_training.words.image_models.base.dense_model import DenseImageModel

NUSCENES_16 = class_table("nuscenes16")

WIDTH, HEIGHT, FOCAL = 64, 48, 40.0
CAMERA = CameraModel(WIDTH, HEIGHT, np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]]))
BOX_M, WALL_M = 2.0, 4.0  # depth of the box's near face and of the wall behind it; the box is 1 m wide and high


def box_depth_m(shift_m: float) -> np.ndarray:
    """(H, W) float32: what a camera at x = -shift_m looking along z measures."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    x_m = (u - WIDTH / 2) / FOCAL * BOX_M - shift_m
    y_m = (v - HEIGHT / 2) / FOCAL * BOX_M
    return np.where((np.abs(x_m) <= 0.5) & (np.abs(y_m) <= 0.5), BOX_M, WALL_M).astype(np.float32)


def box_scene(folder: Path | None = None, number: int = 0, views: int = 3, points: int = 600) -> Sample:
    """Points of the box's near face and of the wall in the frame of the first camera; pictures are files where there is a folder."""
    rng = np.random.default_rng(number)
    face = np.column_stack([rng.uniform(-0.45, 0.45, (points // 3, 2)), np.full(points // 3, BOX_M)])
    wall = np.column_stack([rng.uniform(-3, 3, (points - points // 3, 2)), np.full(points - points // 3, WALL_M)])
    xyz_m = np.concatenate([face, wall]).astype(np.float32)
    made = tuple(_view(k, rng, None if folder is None else folder / f"{number}_{k}.png") for k in range(views))
    return Sample(f"box/{number}", PointCloud(xyz_m, np.zeros(points, np.float32), 0, "scene"), None, NUSCENES_16, made)


def _view(k: int, rng: np.random.Generator, path: Path | None) -> CameraView:
    shift_m = 0.3 * k
    rgb = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    if path is not None and not path.exists():
        Image.fromarray(rgb).save(path)

    def load_rgb() -> np.ndarray:
        if path is None:
            return rgb
        try:
            return np.asarray(Image.open(path).convert("RGB"))
        except (OSError, SyntaxError) as error:
            raise BadImage(f"{path}: {error}") from error

    T_cam_scene = RigidTransform(np.eye(3), np.array([shift_m, 0.0, 0.0]))
    return CameraView(f"frame{k}", CAMERA, T_cam_scene, k, load_rgb, load_depth_m=lambda: box_depth_m(shift_m))


class Boxes:
    """A data set of such scenes."""

    classes = NUSCENES_16

    def __init__(self, folder: Path, scenes: int) -> None:
        self._folder, self._scenes = folder, scenes

    def __len__(self) -> int:
        return self._scenes

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self._scenes:
            raise IndexError(index)
        return box_scene(self._folder, index)


class MeanColors(DenseImageModel):
    """Features of 8 channels by a fixed random map of the mean colour of cells of 4 pixels.

    All numbers are sums of few powers of two, so that no processor and no number of threads rounds them otherwise.
    """

    channels, logit_scale = 8, 1.0

    def __init__(self) -> None:
        self.pictures = 0
        self._map = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)).mul(8).round() / 8

    def identity(self) -> dict:
        return {"model": "mean colours"}

    def image_features(self, images):
        self.pictures += len(images)
        cells = [torch.tensor(each).float().view(HEIGHT // 4, 4, WIDTH // 4, 4, 3).mean(dim=(1, 3)) for each in images]
        return [torch.einsum("ck,hwk->chw", self._map, each / 256) for each in cells]

    def text_features(self, prompts):
        return torch.nn.functional.normalize(torch.ones(len(prompts), 8), dim=1)
