"""The true classes of pairs with a share of them wrong, patch by patch, like the errors of a vision model. Pure."""

import hashlib

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.pretraining.views.paired_scan import PairedScan

PATCH_PX = 16  # side, in pixels, of the image patches whose points of one class are wrong together


def true_classes(scan: PairedScan) -> np.ndarray:
    """(P,) uint8 true class of each pair, 255 = none or unknown."""
    if scan.class_id is None:
        return np.full(len(scan.point_index), IGNORE_ID, np.uint8)
    return scan.class_id[scan.point_index]


def corrupted(
    class_id: np.ndarray, image_index: np.ndarray, pixel_uv: np.ndarray, classes: int, correct_share: float, name: str
) -> np.ndarray:
    """Classes (P,) uint8 of which exactly that share of pairs is correct; pairs without a class (255) keep none.

    image_index (P,), pixel_uv (P, 2): where a pair is seen. The pairs of one class in a patch of 16 pixels become wrong
    together, as one other class, drawn in proportion to its pairs in the scan. name: of the scan; it seeds the draws.
    """
    known = np.flatnonzero(class_id != IGNORE_ID)
    patch = np.column_stack([image_index, pixel_uv // PATCH_PX, class_id])[known]
    members, patch_of_pair = np.unique(patch, axis=0, return_inverse=True)
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
    rank, wrong = rng.permutation(len(members)), _other_classes(members[:, -1], class_id[known], classes, rng)
    first = np.argsort(rank[patch_of_pair.ravel()], kind="stable")[: round((1.0 - correct_share) * len(known))]
    changed = class_id.copy()
    changed[known[first]] = wrong[patch_of_pair.ravel()[first]]
    return changed


def _other_classes(own: np.ndarray, class_id: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    """(R,) uint8: another class for each patch, drawn with weights of the number of pairs of a class plus one."""
    weight = np.tile(np.bincount(class_id, minlength=classes) + 1.0, (len(own), 1))
    weight[np.arange(len(own)), own] = 0.0
    below = weight.cumsum(axis=1) / weight.sum(axis=1, keepdims=True)
    return (below <= rng.random(len(own))[:, None]).sum(axis=1).clip(max=classes - 1).astype(np.uint8)
