"""Scenes from above, points coloured by the first three principal components of their features."""

from collections.abc import Sequence

import numpy as np

from lidar_vl_core.drawing.figures import png_bytes
from lidar_vl_core.foundation.errors import LidarVlError
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.words.features.feature_basis import feature_basis
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.scenes.scene_features import SceneFeatures

_SCENES = 4
_SIDE_PX = 480
_UNSEEN_RGB = (225, 225, 225)
_MOST_ROWS = 20_000  # per scene, for the colours
_SHOWN_PERCENT = (2.0, 98.0)  # of each component, from dark to bright
_CEILING = 0.8  # of the height of a scene seen by depth cameras: points above would hide the room


def feature_preview(samples: Sequence[tuple[SampleSource, int]], store: FeatureStore) -> bytes | None:
    """A PNG of a few scenes, spread evenly over all; None if no scene can be shown."""
    from PIL import Image

    count = min(_SCENES, len(samples))
    shown = [found for k in range(count) if (found := _readable(*samples[k * len(samples) // count], store))]
    shown = [
        (sample, features) for sample, features in shown if features.feature.shape[1] >= 3 and len(features.feature)
    ]
    if not shown:
        return None
    rows = [features.feature[:: -(-len(features.feature) // _MOST_ROWS)] for _, features in shown]
    basis = feature_basis(rows, 3)
    low, high = np.percentile(np.concatenate([basis.coefficients(each) for each in rows]), _SHOWN_PERCENT, axis=0)
    panels = []
    for sample, features in shown:
        level = (basis.coefficients(features.feature) - low) / np.maximum(high - low, 1e-6)
        colors_rgb = (np.clip(level, 0.0, 1.0) * 255).astype(np.uint8)
        panels.append(_from_above(sample, features, colors_rgb))
    return png_bytes(Image.fromarray(np.hstack(panels)))


def _readable(dataset: SampleSource, index: int, store: FeatureStore) -> tuple[Sample, SceneFeatures] | None:
    try:
        sample = dataset[index]
        features = store.read(sample.name)
        features.require_fits(sample)
    except LidarVlError:  # such a scene is listed among the failed ones
        return None
    return sample, features


def _from_above(sample: Sample, features: SceneFeatures, colors_rgb: np.ndarray) -> np.ndarray:
    """(side, side, 3) uint8: x to the right, y up, the highest point of a pixel on top, points with features over those without."""
    xyz_m, visible = sample.cloud.measured_xyz_m().astype(np.float64), features.visible
    shown = np.isfinite(xyz_m).all(axis=1)
    if any(view.load_depth_m is not None for view in sample.views) and shown.any():
        lowest_m, highest_m = np.percentile(xyz_m[shown, 2], (1.0, 99.0))
        shown &= xyz_m[:, 2] <= lowest_m + _CEILING * (highest_m - lowest_m)
    index = np.flatnonzero(shown)
    index = index[np.lexsort((xyz_m[index, 2], visible[index]))]
    picture = np.full((_SIDE_PX, _SIDE_PX, 3), 255, np.uint8)
    if not len(index):
        return picture
    low_m, high_m = np.percentile(xyz_m[index, :2], (1.0, 99.0), axis=0)
    pixel_m = max(float((high_m - low_m).max()), 1e-3) / (_SIDE_PX - 12)
    column, up = np.rint((xyz_m[index, :2] - (low_m + high_m) / 2) / pixel_m + _SIDE_PX / 2).T.astype(np.int64)
    colors = np.full((len(index), 3), _UNSEEN_RGB, np.uint8)
    seen = visible[index]
    colors[seen] = colors_rgb[features.row_of_point[index[seen]]]
    for down in range(2):
        for right in range(2):
            x, y = column + right, _SIDE_PX - 1 - up + down
            inside = (x >= 0) & (x < _SIDE_PX) & (y >= 0) & (y < _SIDE_PX)
            picture[y[inside], x[inside]] = colors[inside]  # the last of several points on a pixel remains
    return picture
