"""LiDAR sweeps coloured by their images, for networks trained on coloured scans."""

import dataclasses

from lidar_vl_core.tasks.coloured_by_pictures import coloured_by_pictures
from offline_training.datasets.base.sample import Sample


def coloured_sweep(sample: Sample) -> Sample:
    """The sample coloured by its images with coloured_by_pictures().

    Samples that already have colours are unchanged.
    """
    if "rgb" in sample.cloud.extra:
        return sample
    return dataclasses.replace(sample, cloud=coloured_by_pictures(sample.cloud, sample.views))
