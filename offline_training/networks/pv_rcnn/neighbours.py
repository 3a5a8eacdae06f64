"""Who lies around whom: farthest point sampling and the first neighbours within a radius (PointNet++, NeurIPS 2017)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_QUERIES_AT_ONCE = 1024  # with some thousand candidates each


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
    count = len(source.xyz_m)
    rows = torch.full((len(query.xyz_m), most), count, dtype=torch.int64, device=query.xyz_m.device)
    if count and len(rows):
        cells = _Cells.of(source, query, radius_m)
        for begin in range(0, len(rows), _QUERIES_AT_ONCE):
            some = slice(begin, begin + _QUERIES_AT_ONCE)
            asked, found = cells.candidates(some)
            near = _squared(query.xyz_m[some][asked], source.xyz_m[found]) < radius_m * radius_m
            rows[some] = _first_of_each(asked[near], found[near], rows[some])
    is_empty = rows[:, 0] == count
    return torch.where(rows == count, rows[:, :1], rows), is_empty


@dataclass(frozen=True)
class _Cells:
    """Points sorted into cubes as wide as the radius: what lies within it lies in the 27 cubes around a query."""

    key: Tensor  # (N,) int64 of the sorted points: scan, x, y, z of their cubes
    row: Tensor  # (N,) int64 of the sorted points
    lowest: Tensor  # (M, 9) int64 keys of the lowest cubes of the nine columns around each query
    reach: int = 3  # cubes of a column, whose keys follow each other

    @classmethod
    def of(cls, source: PointGroups, query: PointGroups, radius_m: float) -> "_Cells":
        low = torch.minimum(source.xyz_m.amin(dim=0), query.xyz_m.amin(dim=0))
        places = [torch.floor((points.xyz_m - low) / radius_m).long() + 1 for points in (source, query)]
        sides = torch.maximum(*(place.amax(dim=0) for place in places)) + 2
        keys = [
            ((_scan_of(points, place.device) * sides[0] + place[:, 0]) * sides[1] + place[:, 1]) * sides[2]
            + place[:, 2]
            for points, place in zip((source, query), places, strict=True)
        ]
        key, row = keys[0].sort(stable=True)
        step = torch.arange(-1, 2, device=key.device)
        columns = ((step[:, None] * sides[1] + step) * sides[2]).flatten() - 1
        return cls(key, row, keys[1][:, None] + columns)

    def candidates(self, some: slice) -> tuple[Tensor, Tensor]:
        """(P,) queries, counted from the first of these, and (P,) rows of the points in the cubes around them."""
        lowest = self.lowest[some]
        begin = torch.searchsorted(self.key, lowest)
        length = torch.searchsorted(self.key, lowest + self.reach) - begin
        column = torch.arange(length.numel(), device=length.device).repeat_interleave(length.flatten())
        ends = length.flatten().cumsum(dim=0)
        place = torch.arange(len(column), device=column.device) - (ends - length.flatten())[column]
        return column // lowest.shape[1], self.row[begin.flatten()[column] + place]


def _first_of_each(asked: Tensor, found: Tensor, rows: Tensor) -> Tensor:
    """`rows` (M, most) with the lowest found rows of each query from the left; asked, found: (P,) int64 pairs."""
    order = found.argsort(stable=True)
    order = order[asked[order].argsort(stable=True)]
    asked, found = asked[order], found[order]
    per_query = asked.bincount(minlength=len(rows))
    rank = torch.arange(len(asked), device=asked.device) - (per_query.cumsum(dim=0) - per_query)[asked]
    kept = rank < rows.shape[1]
    rows = rows.clone()
    rows[asked[kept], rank[kept]] = found[kept]
    return rows


def _squared(one: Tensor, other: Tensor) -> Tensor:
    step = one - other
    return step[:, 0] ** 2 + step[:, 1] ** 2 + step[:, 2] ** 2


def _scan_of(points: PointGroups, device: torch.device) -> Tensor:
    counts = torch.tensor(points.counts, device=device)
    return torch.arange(len(counts), device=device).repeat_interleave(counts)
