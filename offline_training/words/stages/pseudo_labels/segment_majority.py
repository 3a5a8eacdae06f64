"""One class per segment, by majority: superpoints of the cloud, or superpixels of the images that see it.

Filling a whole superpoint is DBGroup's idea (AAAI 2026). The abstract of arXiv 2510.17875 says that its geometry-aware
refinement filters out labels that are geometrically implausible. Our reading: a segment without a clear majority has no
label, and with `segment_fill: false` labels that differ from the majority are removed and none is added.
"""

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.colours import cloud_rgb
from offline_training.datasets.base.sample import Sample
from offline_training.weak_labels.superpixels import slic
from offline_training.words.scenes.back_project import seen_pixels
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.superpoints import superpoints


def segment_majority(sample: Sample, class_id: np.ndarray, config: VlgConfig, classes: int) -> np.ndarray:
    """(N,) uint8: for each point the class that most of its segments vote for; without votes its own, which may be 255.

    A segment votes for the class of most of its labelled points (the lower id on ties), or for "no label" if that class
    has a smaller share of them than pseudo.segment_purity. Points whose segments all vote "no label" lose theirs. With
    pseudo.segment_fill, unlabelled points also get the class and others change theirs; without it, labels that differ
    from it are removed. class_id: (N,) uint8, 255 = none.
    """
    votes, told = np.zeros((len(class_id), classes), np.int32), np.zeros(len(class_id), bool)
    purity = config.pseudo.segment_purity
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
        _vote(votes, told, inside, segment[inside], class_id, purity)
    else:
        for view in sample.views:
            point_index, pixel_uv = seen_pixels(sample.cloud.measured_xyz_m(), view, config.extract)
            if len(point_index):
                segment = slic(view.load_rgb(), config.pseudo.superpixels)[pixel_uv[:, 1], pixel_uv[:, 0]]
                _vote(votes, told, point_index, segment.astype(np.int64), class_id, purity)
    kept = np.where(told, np.uint8(IGNORE_ID), class_id)
    found = np.where(votes.any(axis=1), votes.argmax(axis=1), kept).astype(np.uint8)
    return found if config.pseudo.segment_fill else np.where(found == class_id, class_id, np.uint8(IGNORE_ID))


def _vote(
    votes: np.ndarray,
    told: np.ndarray,
    point_index: np.ndarray,
    segment: np.ndarray,
    class_id: np.ndarray,
    purity: float,
) -> None:
    """Mark the points of segments that contain a label as judged, and add a vote for the majority class where it is clear."""
    classes = votes.shape[1]
    of_point = class_id[point_index]
    labelled = np.asarray(of_point != IGNORE_ID)
    cell = segment[labelled] * classes + of_point[labelled]
    counts = np.bincount(cell, minlength=(int(segment.max(initial=-1)) + 1) * classes).reshape(-1, classes)
    total = counts.sum(axis=1)
    is_clear = counts.max(axis=1, initial=0) / np.maximum(total, 1) >= purity
    told[point_index[(total > 0)[segment]]] = True
    heard = ((total > 0) & is_clear)[segment]
    votes[point_index[heard], counts.argmax(axis=1)[segment[heard]]] += 1
