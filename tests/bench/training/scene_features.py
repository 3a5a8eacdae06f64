"""Image features on points: bytes a scene takes, what occlusion tests remove, time. Run: python -m tests.bench.training.scene_features

Real frames (40 RGB-D frames of one room, one sweep with six cameras) where LIDAR_VL_TEST_DATA or ../shared/data has them, and
a synthetic scene always. Features are a stand-in of OpenSeg's width whose values follow the pictures' colours and places:
sizes and times do not depend on values; what components lose does, so no such figure is given.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lidar_vl_core.cameras.pairing import point_pixel_pairs
from lidar_vl_core.cameras.view import CameraView
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.lidar.pandaset import PandaSet
from offline_training.datasets.rgbd.rgbd_folder import RgbdFolder
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.scenes.back_project import back_project, seen_pixels
from offline_training.words.scenes.extract_config import ExtractConfig
from tests.bench.report.table import print_table, row
from tests.training.words.features.feature_scenes import box_scene

CHANNELS = 768  # OpenSeg
CELLS = (60, 80)  # of a picture
COMPONENTS = 64
# A pair is wrong when the depth its pixel measures differs from the point's by more than 0.1 m and three standard
# deviations of a Kinect's noise, 1.425 mm times the squared depth (Khoshelham and Elberink, Sensors 2012).
WRONG_M, NOISE_PER_M = 0.1, 3 * 1.425e-3


@dataclass(frozen=True)
class Scene:
    """A sample and how it is back-projected."""

    name: str
    sample: Sample
    config: dict[str, Any]


def measure() -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}."""
    rows: list[dict[str, Any]] = []
    for scene in _scenes():
        rows += _sizes(scene)
        if any(view.load_depth_m is not None for view in scene.sample.views):
            rows += _occlusion(scene)
        if scene.name.startswith("7-Scenes"):
            rows.append(_reprojection(scene))
    return rows


def _scenes() -> Iterator[Scene]:
    folder = Path(os.environ.get("LIDAR_VL_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
    if (folder / "rgbd_7scenes").is_dir():
        yield Scene("7-Scenes, 40 frames", RgbdFolder(folder / "rgbd_7scenes")[0], {})
    else:
        print(f"scene features: no RGB-D frames at {folder / 'rgbd_7scenes'}", file=sys.stderr)
    if (folder / "pandaset_002").is_dir():
        outdoors = {"occlusion": "z_buffer", "border_px": 5, "min_depth_m": 1.0}
        yield Scene("PandaSet, a sweep", PandaSet(folder / "pandaset_002")[0], outdoors)
    else:
        print(f"scene features: no PandaSet at {folder / 'pandaset_002'}", file=sys.stderr)
    yield Scene("synthetic box, 12 views", box_scene(views=12, points=60_000), {})


def _sizes(scene: Scene) -> list[dict[str, Any]]:
    sample, rows = scene.sample, []
    per_point_mb = 0.0
    for voxel_m in (None, 0.02, 0.05):
        config = ExtractConfig(voxel_m=voxel_m, **scene.config)
        started = time.perf_counter()
        features = back_project(sample, _stand_in, config)
        seconds = time.perf_counter() - started
        if voxel_m is None:
            visible = int(features.visible.sum())
            per_point_mb = 2e-6 * CHANNELS * visible
            rows.append(row(f"{scene.name}: points", len(sample.cloud), ""))
            rows.append(row(f"{scene.name}: points a view sees", 100 * visible / len(sample.cloud), "%"))
            rows.append(row(f"{scene.name}: half precision x {CHANNELS} per visible point", per_point_mb, "MB"))
        kept = "per point" if voxel_m is None else f"per voxel of {voxel_m:g} m"
        with tempfile.TemporaryDirectory() as name:
            store = FeatureStore(Path(name), {"model": "stand-in"})
            store.write("scene", features)
            for components in (CHANNELS, COMPONENTS):
                if components != CHANNELS:
                    store.fit_basis(["scene"], components)
                    store.compress(["scene"])
                size_mb = store.path("scene").stat().st_size / 1e6
                what = f"{scene.name}: stored {kept}, {components} numbers"
                rows.append(row(what, size_mb, "MB"))
                rows.append(row(f"{what}: times smaller", per_point_mb / size_mb, "x"))
        rows.append(row(f"{scene.name}: back-projected {kept}", 1e3 * seconds / len(sample.views), "ms/view"))
    return rows


def _occlusion(scene: Scene) -> list[dict[str, Any]]:
    """Wrong pairs with each test, over all views; pixels without a measured depth can say nothing and are not counted."""
    rows, without, right_without = [], 0, 0
    for name, occlusion in (
        ("no test", {"occlusion": "none"}),
        ("depth, margin 0.25", {"occlusion": "depth", "relative_margin": 0.25}),
        ("depth, margin 0.05", {"occlusion": "depth", "relative_margin": 0.05}),
        ("depth, margin 0.02", {"occlusion": "depth", "relative_margin": 0.02}),
        ("own z-buffer, margin 0.05", {"occlusion": "z_buffer", "relative_margin": 0.05, "z_buffer_cell_px": 4}),
    ):
        pairs, wrong = 0, 0
        for view in scene.sample.views:
            difference_m, allowed_m = _disagreement(scene.sample.cloud.xyz_m, view, ExtractConfig(**occlusion))
            pairs += len(difference_m)
            wrong += int((difference_m > allowed_m).sum())
        without, right_without = without or wrong, right_without or pairs - wrong
        rows.append(row(f"{scene.name}: wrong pairs, {name}", 100 * wrong / max(pairs, 1), "%"))
        if occlusion["occlusion"] != "none":
            target = {"at_least": 90.0} if name == "depth, margin 0.05" else {}
            rows.append(row(f"{scene.name}: wrong pairs removed, {name}", 100 * (1 - wrong / without), "%", **target))
            rows.append(row(f"{scene.name}: right pairs kept, {name}", 100 * (pairs - wrong) / right_without, "%"))
    return rows


def _disagreement(xyz_m: np.ndarray, view: CameraView, config: ExtractConfig) -> tuple[np.ndarray, np.ndarray]:
    """Of each pair at a measured pixel: difference in depth, and what is no sign of another surface."""
    index, pixel_uv = seen_pixels(xyz_m, view, config)
    measured_m = view.load_depth_m()[pixel_uv[:, 1], pixel_uv[:, 0]].astype(np.float64)
    depth_m = view.T_cam_lidar.apply(xyz_m[index])[:, 2]
    known = measured_m > 0.0
    return np.abs(measured_m - depth_m)[known], WRONG_M + NOISE_PER_M * measured_m[known] ** 2


def _reprojection(scene: Scene) -> dict[str, Any]:
    """Median over neighbouring frames of the median |difference| between the depth of one, moved, and that of the next."""
    medians_mm = []
    for here, there in pairwise(scene.sample.views):
        depth_m = here.load_depth_m()
        v, u = np.nonzero(depth_m)
        v, u = v[::5], u[::5]
        xyz_m = here.T_cam_lidar.inverse().apply(here.camera.unproject(np.column_stack([u, v]), depth_m[v, u]))
        pairs = point_pixel_pairs(xyz_m, [(there.camera, there.T_cam_lidar)], min_depth_m=0.1)
        measured_m = there.load_depth_m()[pairs.pixel_uv[:, 1], pairs.pixel_uv[:, 0]]
        medians_mm.append(1e3 * float(np.median(np.abs(measured_m - pairs.depth_m)[measured_m > 0])))
    return row(f"{scene.name}: depth of a frame against the next", float(np.median(medians_mm)), "mm", below=28.0)


def _stand_in(view: CameraView) -> torch.Tensor:
    """(768, 60, 80): a fixed random map of each cell's colour and place."""
    rgb = torch.tensor(view.load_rgb()).permute(2, 0, 1).float() / 255
    cells = torch.nn.functional.interpolate(rgb[None], CELLS, mode="area")[0]
    place = torch.stack(torch.meshgrid(torch.linspace(0, 1, CELLS[0]), torch.linspace(0, 1, CELLS[1]), indexing="ij"))
    known = torch.cat([cells, place])
    mixing = torch.randn(CHANNELS, len(known), generator=torch.Generator().manual_seed(0))
    return torch.einsum("ck,khw->chw", mixing, known)


if __name__ == "__main__":
    print_table(measure())
