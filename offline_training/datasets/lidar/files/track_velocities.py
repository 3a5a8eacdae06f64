"""Velocities of things whose boxes are drawn again and again."""

import numpy as np

_MOST_GAP_S = 1.5  # between two boxes of a thing that tell its velocity; twice that where the box lies between them


def track_velocities(instance: np.ndarray, stamp_s: np.ndarray, center_m: np.ndarray) -> np.ndarray:
    """(A, 3) metres per second of boxes of things (A,), from the boxes of the same thing before and after, NaN if unknown.

    As nuScenes' devkit has it: from the one before to the one after, or to this one where there is no other.
    """
    velocity = np.full((len(instance), 3), np.nan)
    if len(instance) == 0:
        return velocity
    order = np.lexsort((stamp_s, instance))
    same = np.diff(instance[order]) == 0
    has_before, has_after = np.append(False, same), np.append(same, False)
    place = np.arange(len(order))
    first, last = order[place - has_before], order[np.minimum(place + has_after, len(order) - 1)]
    gap_s = stamp_s[last] - stamp_s[first]
    most_s = np.where(has_before & has_after, 2 * _MOST_GAP_S, _MOST_GAP_S)
    known = (gap_s > 0) & (gap_s <= most_s)
    velocity[order[known]] = (center_m[last] - center_m[first])[known] / gap_s[known, None]
    return velocity
