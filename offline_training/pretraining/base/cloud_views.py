"""Samples for methods without images: two views of a cloud."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from lidar_vl_core.foundation.config import Config
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.networks.base.point_backbone import Preparer
from offline_training.pretraining.views.two_views import CloudView, TwoViewBatch, cloud_view, collate_two_views


def two_crops(
    source: SampleSource, index: int, rng: np.random.Generator, sensor_height_m: float
) -> tuple[CloudView, CloudView]:
    """Two crops of one sweep."""
    cloud = measured_points(source[index])
    return cloud_view(*cloud, rng, sensor_height_m), cloud_view(*cloud, rng, sensor_height_m)


def measured_points(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """xyz_m (N, 3), metres, and intensity (N,), 0..1, of the points with a return."""
    met = sample.cloud.has_return()
    return sample.cloud.xyz_m[met], sample.cloud.intensity[met]


def collate_views(
    config: Config, preparer: Preparer
) -> Callable[[Sequence[tuple[CloudView, CloudView]]], TwoViewBatch]:
    """The function that collates such views to a batch; picklable."""
    return partial(collate_two_views, preparer=preparer)
