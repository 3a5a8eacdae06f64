"""Class-balanced sampling (Zhu et al., Class-balanced Grouping and Sampling, 2019): each class is met in as many scans."""

from collections.abc import Sequence

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID


def class_balanced_scans(class_ids: Sequence[np.ndarray], num_classes: int, rng: np.random.Generator) -> np.ndarray:
    """(M,) int64 which scans an epoch has, in random order; a scan with a rare class comes several times.

    class_ids: of the boxes of each scan, (B,) uint8, 255 = none. Of every class that occurs as many scans are drawn, with
    replacement: as many in all as there are pairs of a scan and a class in it. Scans without a class are left out.
    """
    scans_of_class: list[list[int]] = [[] for _ in range(num_classes)]
    for scan, ids in enumerate(class_ids):
        for class_id in np.unique(ids[ids != IGNORE_ID]):
            scans_of_class[class_id].append(scan)
    present = [scans for scans in scans_of_class if scans]
    if not present:
        return np.zeros(0, np.int64)
    share = sum(map(len, present)) // len(present)
    drawn = np.concatenate([rng.choice(np.array(scans, np.int64), share) for scans in present])
    return rng.permutation(drawn)
