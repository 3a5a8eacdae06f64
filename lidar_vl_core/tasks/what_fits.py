"""Answers a cloud with more voxels than the engine was built for, from a part of its points."""

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import TooManyVoxels
from lidar_vl_core.tasks.point_labels import PointLabels
from lidar_vl_core.tasks.segmenter import Segmenter

_LEAST = 0.1  # of the points; a plan that is so much too small is for another sensor


def segment_what_fits(segmenter: Segmenter, cloud: PointCloud, share: float = 1.0) -> tuple[PointLabels, float]:
    """The labels, as of Segmenter.segment(), and the share of the points processed, halved until it fits.

    Raises TooManyVoxels where a tenth does not fit either, and for a network that cannot look at parts.
    """
    while True:
        try:
            return segmenter.segment(cloud, share), share
        except TooManyVoxels:
            if not segmenter.can_look_at_parts or share / 2 < _LEAST:
                raise
            share /= 2
