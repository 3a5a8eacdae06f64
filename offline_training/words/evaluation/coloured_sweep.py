"""LiDAR sweeps with the colours of their pictures, for networks that learned from coloured scans."""

import dataclasses

import numpy as np

from offline_training.datasets.base.sample import Sample
from offline_training.words.scenes.back_project import seen_pixels
from offline_training.words.scenes.extract_config import ExtractConfig

_UNSEEN_RGB = 128  # of points that no picture sees
_OCCLUSION = ExtractConfig(occlusion="z_buffer", border_px=0, min_depth_m=1.0)


def coloured_sweep(sample: Sample) -> Sample:
    """The sample with the field "rgb" (N, 3) uint8: the mean of the pixels that see a point, mid grey where none does.

    What hides behind nearer points is told by the sweep's own depth. Samples that have colours stay as they are.
    """
    if "rgb" in sample.cloud.extra:
        return sample
    total, count = np.zeros((len(sample.cloud), 3)), np.zeros(len(sample.cloud))
    for view in sample.views:
        point, pixel_uv = seen_pixels(sample.cloud.measured_xyz_m(), view, _OCCLUSION)
        if len(point):
            total[point] += view.load_rgb()[pixel_uv[:, 1], pixel_uv[:, 0]]  # a point is seen once by a view
            count[point] += 1
    mean = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], _UNSEEN_RGB)
    extra = {**sample.cloud.extra, "rgb": np.round(mean).astype(np.uint8)}
    return dataclasses.replace(sample, cloud=dataclasses.replace(sample.cloud, extra=extra))
