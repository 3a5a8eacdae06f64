"""Who lies around whom: farthest point sampling and the first neighbours within a radius (PointNet++, NeurIPS 2017)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_DISTANCES_AT_ONCE = 1 << 24  # 64 MiB


@dataclass(frozen=True)
class PointGroups:
    """Points of S scans, one scan behind the other."""

    xyz_m: Tensor  # (N, 3) float32
    counts: tuple[int, ...]  # points of each scan

    def to(self, device: torch.device | str) -> "PointGroups":
        """The same points on another device."""
        return PointGroups(self.xyz_m.to(device), self.counts)


def farthest_points(xyz_m: np.ndarray, count: int) -> np.ndarray:
    """(count,) int64 rows of points (N, 3): the first one, then always the one farthest from all that were taken.

    Fewer points than that come again and again in the order in which they were taken. Raises ValueError without points.
    """
    if not len(xyz_m):
        raise ValueError("xyz_m: expected one point at least, found none")
    points = np.ascontiguousarray(xyz_m.T, np.float32)
    squared = np.full(points.shape[1], np.inf, np.float32)
    rows = np.zeros(min(count, points.shape[1]), np.int64)
    for place in range(1, len(rows)):
        step = points - points[:, rows[place - 1], None]
        np.minimum(squared, step[0] * step[0] + step[1] * step[1] + step[2] * step[2], out=squared)
        rows[place] = squared.argmax()
    return np.resize(rows, count)


@torch.no_grad()
def first_neighbours(source: PointGroups, query: PointGroups, radius_m: float, most: int) -> tuple[Tensor, Tensor]:
    """The first points of the source, in its own order, that lie nearer to each query than the radius, scan by scan.

    Returns rows (M, most) int64 of the source, the first one again where there are fewer, len(source) where there is none;
    and (M,) bool: there is none.
    """
    parts = []
    begin = 0
    queries = query.xyz_m.split(query.counts)
    for points, centres in zip(source.xyz_m.split(source.counts), queries, strict=True):
        at_once = max(1, _DISTANCES_AT_ONCE // max(len(points), 1))
        for some in centres.split(at_once):
            rows = _first_within(points, some, radius_m, most)
            parts.append(torch.where(rows < len(points), rows + begin, len(source.xyz_m)))
        begin += len(points)
    rows = torch.cat(parts) if parts else query.xyz_m.new_zeros(0, most, dtype=torch.int64)
    is_empty = rows[:, 0] == len(source.xyz_m)
    return torch.where(rows == len(source.xyz_m), rows[:, :1], rows), is_empty


def _first_within(points: Tensor, centres: Tensor, radius_m: float, most: int) -> Tensor:
    """(M, most) int64 rows of points (N, 3) within the radius of centres (M, 3), lowest first; N = no more."""
    squared = centres.new_zeros(len(centres), len(points))
    for axis in range(3):
        squared += (centres[:, None, axis] - points[None, :, axis]) ** 2
    row = torch.arange(len(points), device=points.device)
    found = torch.where(squared < radius_m * radius_m, row, len(points))
    first = found.topk(min(most, len(points)), dim=1, largest=False).values
    return torch.nn.functional.pad(first, (0, most - first.shape[1]), value=len(points))
