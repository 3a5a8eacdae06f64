"""A tiny world of words for tests of the three stages: boxes of two kinds on a floor, and features that nearly say what they are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.config import validated
from offline_training.datasets.base.sample import Sample
from offline_training.words.features import run_text
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import configuration_alias
from offline_training.words.image_models.base.dense_model import DenseImageModel
from offline_training.words.scenes.scene_features import SceneFeatures, points_sha256, scene_sha256
from offline_training.words.settings import training_samples
from offline_training.words.settings.vlg_config import VlgConfig

NUSCENES_16 = class_table("nuscenes16")

CHANNELS = 24
CAR, TRUCK, ROAD = (NUSCENES_16.names.index(name) for name in ("car", "truck", "driveable_surface"))
VIEWS = ("front", "back", "left")


class TinyModel(DenseImageModel):
    """Every prompt is a random direction of its own."""

    channels, logit_scale = CHANNELS, 20.0

    def identity(self) -> dict[str, Any]:
        return {"kind": "tiny"}

    def image_features(self, images):
        raise AssertionError("features lie ready: no picture is to be looked at")

    def text_features(self, prompts):
        words = [prompt.removeprefix("a ").removesuffix(" in a scene") for prompt in prompts]
        return torch.stack([torch.from_numpy(direction(word)) for word in words])


def direction(prompt: str) -> np.ndarray:
    seed = int.from_bytes(prompt.encode()[:16].ljust(16, b"."), "little")
    vector = np.random.default_rng(seed).normal(size=CHANNELS)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@dataclass
class TinyScenes:
    """Scenes by number; with points a car, a truck or road."""

    count: int
    classes = NUSCENES_16
    first: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return tiny_sample(self.first + index)


def tiny_sample(number: int, points: int = 600) -> Sample:
    """Road at z = 0; boxes 1 m high at places of their own: cars blue and low, trucks red and high."""
    rng = np.random.default_rng([5, number])
    kind = np.repeat([ROAD, CAR, TRUCK], points // 3).astype(np.uint8)
    xyz_m = rng.uniform([-4, -4, -0.02], [4, 4, 0.02], (points, 3))
    for one, height_m in ((CAR, 1.0), (TRUCK, 2.5)):
        place = kind == one
        middle_m = rng.uniform(-3, 3, 2)
        xyz_m[place] = rng.uniform([-0.8, -0.8, 0.2], [0.8, 0.8, height_m], (int(place.sum()), 3))
        xyz_m[place, :2] += middle_m
    colours = {ROAD: (90, 90, 90), CAR: (30, 30, 220), TRUCK: (220, 30, 30)}
    rgb = np.array([colours[int(k)] for k in kind], np.int64).reshape(-1, 3) + rng.integers(-20, 20, (points, 3))
    extra = {"rgb": np.clip(rgb, 0, 255).astype(np.uint8)}
    cloud = PointCloud(xyz_m.astype(np.float32), np.zeros(points, np.float32), number, "room", extra)
    return Sample(f"scene/{number:04d}", cloud, kind, NUSCENES_16)


def tiny_features(sample: Sample, noise: float = 0.6, unseen: float = 0.2) -> SceneFeatures:
    """One row per two points; each the direction of its class and noise; a share of the rows is seen by no view."""
    rng = np.random.default_rng([6, sample.cloud.stamp_ns])
    rows = len(sample.cloud) // 2
    row = np.repeat(np.arange(rows), 2)
    words = {CAR: "car", TRUCK: "truck", ROAD: "road"}
    feature = np.stack([direction(words[int(k)]) for k in sample.class_id[::2]])
    feature = feature + noise * rng.normal(size=feature.shape) / np.sqrt(CHANNELS)
    feature /= np.linalg.norm(feature, axis=1, keepdims=True)
    visible = rng.random(rows) >= unseen
    seen_by = rng.random((rows, len(VIEWS))) < 0.5
    seen_by[~seen_by.any(axis=1), 0] = True
    new_row = np.where(visible, np.cumsum(visible) - 1, -1).astype(np.int32)
    return SceneFeatures(
        feature[visible].astype(np.float16),
        new_row[row],
        np.packbits(seen_by[visible], axis=1),
        VIEWS,
        scene_sha256=scene_sha256(sample),
        points_sha256=points_sha256(sample),
    )


def tiny_config(out: Path, **changed: Any) -> VlgConfig:
    content: dict[str, Any] = {
        "out": str(out),
        "train": [{"kind": "synthetic", "folder": "unused"}],
        "model": {"kind": "toy", "folder": "unused"},
        "network": "minkunet_small",
        "stem": 16,
        "planes": [16] * 8,
        "voxel_size": [0.2, 0.2, 0.2],
        "point_cloud_range": [-8.0, -8.0, -2.0, 8.0, 8.0, 4.0],
        "features": ["red", "green", "blue", "height"],
        "specialise": {"epochs": 6, "points_per_scene": 400, "batch_size": 2},
        "guide": {"max_steps": 4, "batch_size": 2, "checkpoint_every": 2},
        "device": "cpu",
        "workers": 0,
        "progress": False,
        "threads": 1,
    }
    for name, value in changed.items():
        content[name] = {**content[name], **value} if isinstance(content.get(name), dict) else value
    return validated(VlgConfig, content, "test")


def use_tiny_world(monkeypatch, train: int = 3) -> None:
    """The data sources and the image model of any configuration are the tiny ones."""
    monkeypatch.setattr(training_samples, "open_source", lambda source, classes, workers: TinyScenes(train))
    monkeypatch.setattr(run_text, "open_image_model", lambda config: TinyModel())


def write_tiny_features(
    config: VlgConfig, train: int = 3, noise: float = 0.6, model: DenseImageModel | None = None
) -> FeatureStore:
    """What `extract-features` would have left of an image model, the tiny one by default."""
    identity = {"model": (model or TinyModel()).identity()}
    store = FeatureStore(config.features_folder, identity, alias=configuration_alias(config))
    for index in range(train):
        sample = tiny_sample(index)
        store.write(sample.name, tiny_features(sample, noise))
    store.announce()
    return store


if __name__ == "__main__":  # stage 3 in a process of its own, which a test may kill
    import json
    import sys

    import pytest

    from offline_training.words.stages.guidance.guide import guide

    use_tiny_world(pytest.MonkeyPatch())
    guide(tiny_config(Path(sys.argv[1]), **json.loads(sys.argv[2])))
