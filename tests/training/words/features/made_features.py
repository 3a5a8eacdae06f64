"""Features of random points, stores for them, and the configuration of a run that makes them."""

import numpy as np

from lidar_vl_core.foundation.config import validated
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.scenes.scene_features import SceneFeatures
from offline_training.words.settings.vlg_config import VlgConfig


def random_features(points=50, channels=6, views=9, seed=0):
    """Features of random points, of which every third is seen by no view."""
    rng = np.random.default_rng(seed)
    rows = max(points // 4, 1)
    row_of_point = np.where(np.arange(points) % 3 == 0, -1, rng.integers(0, rows, points)).astype(np.int32)
    return SceneFeatures(
        feature=rng.normal(0, 1, (rows, channels)).astype(np.float16),
        row_of_point=row_of_point,
        view_bits=np.packbits(rng.random((rows, views)) < 0.5, axis=1),
        view_names=tuple(f"view{k}" for k in range(views)),
        left_out=("view3",),
        scene_sha256="ab" * 32,
    )


def equal_features(one, other):
    same = all((getattr(one, name) == getattr(other, name)).all() for name in ("feature", "row_of_point", "view_bits"))
    return same and (one.view_names, one.left_out, one.scene_sha256) == (
        other.view_names,
        other.left_out,
        other.scene_sha256,
    )


def words_config(out, **changes):
    model = {"kind": "toy", "folder": "toy"}
    values = {"out": str(out), "train": [{"kind": "pandaset", "folder": "unused"}], "model": model, **changes}
    return validated(VlgConfig, values, "test")


def opened_store(folder, **identity):
    opened = FeatureStore(folder, {"model": "a", **identity})
    opened.announce()
    return opened


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-40])
