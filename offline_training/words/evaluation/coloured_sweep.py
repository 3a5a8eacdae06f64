"""LiDAR sweeps with the colours of their pictures, for networks that learned from coloured scans."""

import dataclasses

from lidar_vl_core.tasks.coloured_by_pictures import coloured_by_pictures
from offline_training.datasets.base.sample import Sample


def coloured_sweep(sample: Sample) -> Sample:
    """The sample in the colours of its pictures, as coloured_by_pictures() gives them. Samples that have colours stay as they are."""
    if "rgb" in sample.cloud.extra:
        return sample
    return dataclasses.replace(sample, cloud=coloured_by_pictures(sample.cloud, sample.views))
