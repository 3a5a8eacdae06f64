"""Compiled loops over pairs of boxes seen from above, for iou.py and nms.py.

A flat box is a row x, y, half length, half width, cos(yaw), sin(yaw), half diagonal. One file, because numba's cache does not see that
a function of another file has changed.
"""

import numpy as np

from lidar_vl_core.foundation.compiled import compiled

_MOST_CORNERS = 24  # 4 corners, and each of 4 cuts adds at most half as many as there are, however the numbers round


@compiled
def _are_apart(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the circles around two flat boxes are."""
    dx = b[0] - a[0]
    dy = b[1] - a[1]
    reach = a[6] + b[6]
    return dx * dx + dy * dy > reach * reach


@compiled
def _cut(
    u: np.ndarray, v: np.ndarray, count: int, side: float, limit: float, u_left: np.ndarray, v_left: np.ndarray
) -> int:
    """Keep the part of a polygon where side * u <= limit (Sutherland & Hodgman, CACM 17(1), 1974); how many corners it has."""
    left = 0
    before = count - 1
    room_before = limit - side * u[before]
    for i in range(count):
        room = limit - side * u[i]
        if (room >= 0.0) != (room_before >= 0.0):
            # Of unlike signs: the fraction lies in 0..1 however parallel the edges are.
            fraction = room_before / (room_before - room)
            u_left[left] = side * limit
            v_left[left] = v[before] + fraction * (v[i] - v[before])
            left += 1
        if room >= 0.0:
            u_left[left] = u[i]
            v_left[left] = v[i]
            left += 1
        before = i
        room_before = room
    return left


@compiled
def _overlap_m2(a: np.ndarray, b: np.ndarray, corners: np.ndarray) -> float:
    """Area that two flat boxes share. Box b is seen from box a and cut by its sides; corners: (4, _MOST_CORNERS) scratch."""
    dx = b[0] - a[0]  # only differences are used: far from the origin nothing is lost
    dy = b[1] - a[1]
    middle_u = dx * a[4] + dy * a[5]
    middle_v = dy * a[4] - dx * a[5]
    cos = b[4] * a[4] + b[5] * a[5]
    sin = b[5] * a[4] - b[4] * a[5]
    u, v, other_u, other_v = corners[0], corners[1], corners[2], corners[3]
    for corner in range(4):
        along = b[2] if corner == 0 or corner == 3 else -b[2]
        across = b[3] if corner < 2 else -b[3]
        u[corner] = middle_u + along * cos - across * sin
        v[corner] = middle_v + along * sin + across * cos
    count = _cut(u, v, 4, 1.0, a[2], other_u, other_v)
    if count > 0:
        count = _cut(other_u, other_v, count, -1.0, a[2], u, v)
    if count > 0:
        count = _cut(v, u, count, 1.0, a[3], other_v, other_u)
    if count > 0:
        count = _cut(other_v, other_u, count, -1.0, a[3], v, u)
    twice_area = 0.0
    for i in range(1, count - 1):
        twice_area += (u[i] - u[0]) * (v[i + 1] - v[0]) - (u[i + 1] - u[0]) * (v[i] - v[0])
    return max(0.5 * twice_area, 0.0)


@compiled
def _iou(
    a: np.ndarray,
    z_a: np.ndarray,
    content_a: float,
    b: np.ndarray,
    z_b: np.ndarray,
    content_b: float,
    corners: np.ndarray,
) -> float:
    """IoU of two boxes; z_*: middle and half height, both 0 where only areas count."""
    shared = _overlap_m2(a, b, corners)
    if shared > 0.0 and (z_a[1] > 0.0 or z_b[1] > 0.0):
        dz = z_b[0] - z_a[0]
        shared *= max(min(z_a[1], dz + z_b[1]) - max(-z_a[1], dz - z_b[1]), 0.0)
    shared = min(shared, min(content_a, content_b))
    return shared / (content_a + content_b - shared) if shared > 0.0 else 0.0


@compiled
def iou_of_all(
    a: np.ndarray,
    z_a: np.ndarray,
    content_a: np.ndarray,
    b: np.ndarray,
    z_b: np.ndarray,
    content_b: np.ndarray,
    first: int,
    last: int,
    iou: np.ndarray,
) -> None:
    """Write the rows first..last - 1 of iou (N, M)."""
    corners = np.empty((4, _MOST_CORNERS))
    for i in range(first, last):
        for j in range(len(b)):
            if _are_apart(a[i], b[j]):
                iou[i, j] = 0.0
            else:
                iou[i, j] = _iou(a[i], z_a[i], content_a[i], b[j], z_b[j], content_b[j], corners)


@compiled
def without_overlaps(
    flat: np.ndarray, content: np.ndarray, group: np.ndarray, threshold: float, most: int
) -> np.ndarray:
    """(K,) int64 rows of boxes, best first, that no kept box of their group before them overlaps by more than the threshold."""
    corners = np.empty((4, _MOST_CORNERS))
    no_height = np.zeros(2)
    gone = np.zeros(len(flat), np.bool_)
    kept = np.empty(min(most, len(flat)), np.int64)
    found = 0
    for i in range(len(flat)):
        if found == len(kept):
            break
        if gone[i]:
            continue
        kept[found] = i
        found += 1
        for j in range(i + 1, len(flat)):
            if gone[j] or group[i] != group[j] or _are_apart(flat[i], flat[j]):
                continue
            iou = _iou(flat[i], no_height, content[i], flat[j], no_height, content[j], corners)
            gone[j] = iou > threshold
    return kept[:found]
