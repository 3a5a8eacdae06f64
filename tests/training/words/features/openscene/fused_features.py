"""Fused features of random points, and files of them as OpenScene writes them."""

import numpy as np
import torch

from offline_training.words.scenes.openscene_files import FusedFeatures


def fused(points=40, channels=4, seed=0):
    rng = np.random.default_rng(seed)
    visible = rng.random(points) < 0.6
    return FusedFeatures(rng.normal(0, 1, (int(visible.sum()), channels)).astype(np.float16), visible)


def write_fused(path, there, older_form=False):
    """A file of a whole scene, in the present form of two keys or the older one of three."""
    feature, visible = torch.from_numpy(there.feature), torch.from_numpy(there.visible)
    content = {"feat": feature, "mask_full": visible}
    if older_form:  # the one part holds all points: mask_full says so, and mask which of them are visible
        whole = torch.zeros(len(visible), feature.shape[1], dtype=feature.dtype)
        whole[visible] = feature
        content = {"feat": whole, "mask": visible, "mask_full": torch.ones(len(visible), dtype=torch.bool)}
    torch.save(content, path)


def per_visible_point(features):
    return FusedFeatures(features.feature[features.row_of_point[features.visible]], features.visible)


def equal_fused(one, other):
    return (one.feature == other.feature).all() and (one.visible == other.visible).all()
