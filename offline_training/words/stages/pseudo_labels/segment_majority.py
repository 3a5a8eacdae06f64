"""One class per segment, by majority: superpoints of the cloud, or superpixels of the pictures that see it."""

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.colours import cloud_rgb
from offline_training.datasets.base.sample import Sample
from offline_training.weak_labels.superpixels import slic
from offline_training.words.scenes.back_project import seen_pixels
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.superpoints import superpoints


def segment_majority(sample: Sample, class_id: np.ndarray, config: VlgConfig, classes: int) -> np.ndarray:
    """(N,) uint8: each point the class that most labelled points of its segments have; without any its own, 255 or not.

    class_id: (N,) uint8, 255 = none. Points without a label take the majority's too.
    """
    votes = np.zeros((len(class_id), classes), np.int32)
    if config.pseudo.spread == "superpoint":
        pseudo, cloud = config.pseudo, sample.cloud
        segment = superpoints(
            cloud.measured_xyz_m(),
            cloud_rgb(cloud),
            pseudo.superpoint_cell_m,
            pseudo.superpoint_angle_deg,
            pseudo.superpoint_colour,
        )
        inside = np.flatnonzero(segment >= 0)
        _vote(votes, inside, segment[inside], class_id)
    else:
        for view in sample.views:
            point_index, pixel_uv = seen_pixels(sample.cloud.measured_xyz_m(), view, config.extract)
            if len(point_index):
                segment = slic(view.load_rgb(), config.pseudo.superpixels)[pixel_uv[:, 1], pixel_uv[:, 0]]
                _vote(votes, point_index, segment.astype(np.int64), class_id)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), class_id).astype(np.uint8)


def _vote(votes: np.ndarray, point_index: np.ndarray, segment: np.ndarray, class_id: np.ndarray) -> None:
    """Give each point one vote for its segment's majority class, of equal ones the lower id, where the segment has a label."""
    classes = votes.shape[1]
    of_point = class_id[point_index]
    labelled = np.asarray(of_point != IGNORE_ID)
    cell = segment[labelled] * classes + of_point[labelled]
    counts = np.bincount(cell, minlength=(int(segment.max(initial=-1)) + 1) * classes).reshape(-1, classes)
    has_label = np.asarray(counts.any(axis=1))[segment]
    votes[point_index[has_label], counts.argmax(axis=1)[segment[has_label]]] += 1
