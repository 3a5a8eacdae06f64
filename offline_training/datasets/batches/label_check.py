"""Whether data have labels, or points in the grid, at all: looked at before a training that would learn nothing, or a measurement that would tell nothing."""

import logging

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadDataset, BadLabels
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource

_LOOKED_AT = 8  # scans, evenly over all
_MOST_POINTS = 20_000  # of a scan
_log = logging.getLogger(__name__)


def require_labels(dataset: SampleSource, title: str, grid: VoxelGrid) -> None:
    """Raise BadLabels where no scan that is looked at has a labelled point in the grid, and warn where some have none.

    title: of the data set, for the message.
    """
    samples = _looked_at(dataset)
    labelled = [_labelled(sample) for sample in samples]
    if not any(points.any() for points in labelled):
        raise BadLabels(
            f"{title}: expected labelled points, found none in {len(samples)} of {len(dataset)} scans, {samples[0].name} first: no "
            "labels there, or every one is ignored (255). Name data with labels, and the class table and split that they are of."
        )
    without = [
        sample.name for sample, points in zip(samples, labelled, strict=True) if not _reaches(sample, points, grid)
    ]
    if len(without) == len(samples):
        raise BadLabels(
            f"{title}: expected labelled points within point_cloud_range {list(grid.point_cloud_range)}, found "
            f"all of them outside in {len(samples)} of {len(dataset)} scans. Check the unit and the frame of the clouds, or widen it."
        )
    if without:
        _log.warning(
            "%s: %d of %d scans looked at have no labelled point in the grid, %s first: nothing is learnt from such scans",
            title, len(without), len(samples), without[0],
        )  # fmt: skip


def require_points(dataset: SampleSource, title: str, grid: VoxelGrid) -> None:
    """Raise BadDataset where no scan that is looked at has a point in the grid.

    title: of the data set, for the message.
    """
    samples = _looked_at(dataset)
    if not any(_reaches(sample, sample.cloud.has_return(), grid) for sample in samples):
        raise BadDataset(
            f"{title}: expected points within point_cloud_range {list(grid.point_cloud_range)}, found none in {len(samples)} of "
            f"{len(dataset)} scans, {samples[0].name} first. Check the unit and the frame of the clouds, or widen it."
        )


def _looked_at(dataset: SampleSource) -> list[Sample]:
    places = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), _LOOKED_AT)).round()).astype(int)
    return [dataset[int(place)] for place in places]


def _reaches(sample: Sample, points: np.ndarray, grid: VoxelGrid) -> bool:
    """Whether some of the points, (N,) bool, lie in the grid."""
    rows = np.flatnonzero(points)
    rows = rows[:: len(rows) // _MOST_POINTS + 1]
    return bool((voxelise(sample.cloud.measured_xyz_m()[rows], grid).point_to_voxel >= 0).any())


def _labelled(sample: Sample) -> np.ndarray:
    """(N,) bool: the points that have a class."""
    if sample.class_id is None:
        return np.zeros(len(sample.cloud), bool)
    return sample.class_id != IGNORE_ID
