"""Neighbour tables of all levels in torch, on the device where the voxels lie: the tables of build_kernel_maps(), row by row.

Sorted keys turn every search into a binary search for key + constant. The CPU waits for the device twice: for the bounds of
the coordinates, and for the number of voxels of all levels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadPointCloud

_KEY_BITS = 63  # a positive int64
_NO_KEY = (1 << 63) - 1


@dataclass(frozen=True)
class DeviceMaps:
    """Who is whose neighbour, child and parent; missing = number of voxels of the level read."""

    counts: tuple[int, ...]  # voxels per level, finest first
    subm: tuple[Tensor, ...]  # (N_l, 27) int64 neighbour at each 3^3 offset, z fastest
    child: tuple[Tensor, ...]  # (N_{l+1}, 8) int64 child on level l at parity x*4 + y*2 + z
    up: tuple[Tensor, ...]  # (N_l,) int64 parent*8 + parity
    coords: tuple[Tensor, ...]  # (N_l, 4) int32 batch, x, y, z


@dataclass(frozen=True)
class _Layout:
    """Bit positions in a key, which holds c + 1 in room for c + 2: a neighbour step cannot borrow."""

    y_shift: int
    x_shift: int
    batch_shift: int

    def keys(self, rows: Tensor) -> Tensor:
        """(N, 4) int64 batch, x, y, z to (N,) int64."""
        batch, x, y, z = rows.unbind(dim=1)
        return (batch << self.batch_shift) + ((x + 1) << self.x_shift) + ((y + 1) << self.y_shift) + z + 1

    def rows(self, keys: Tensor) -> Tensor:
        """(N,) int64 to (N, 4) int64 batch, x, y, z."""
        x = (keys >> self.x_shift) & ((1 << (self.batch_shift - self.x_shift)) - 1)
        y = (keys >> self.y_shift) & ((1 << (self.x_shift - self.y_shift)) - 1)
        z = keys & ((1 << self.y_shift) - 1)
        return torch.stack([keys >> self.batch_shift, x - 1, y - 1, z - 1], dim=1)


def device_kernel_maps(voxels: Tensor, levels: int) -> DeviceMaps:
    """Tables for `levels` levels; 0 and 1 voxel are fine.

    voxels: (M, 4) int32 >= 0 batch, x, y, z, each once and sorted. Raises BadPointCloud for anything else.
    """
    if voxels.ndim != 2 or voxels.shape[1] != 4 or voxels.dtype != torch.int32:
        raise BadPointCloud(
            f"voxels: expected (M, 4) int32 batch, x, y, z, found {tuple(voxels.shape)} {voxels.dtype}. "
            "Take them from voxelise_scans()."
        )
    rows = voxels.long()
    layout = _layout_of(rows)
    keys = [layout.keys(rows), *_level_keys(rows, layout, levels)]
    coords = [layout.rows(level) for level in keys]
    child, up = [], []
    for fine, coarse_keys in zip(coords[:-1], keys[1:], strict=True):
        parent = torch.searchsorted(coarse_keys, layout.keys(_parents(fine, 1)))
        slot = (fine[:, 1] & 1) * 4 + (fine[:, 2] & 1) * 2 + (fine[:, 3] & 1)
        up.append(parent * 8 + slot)
        children = torch.full((8 * len(coarse_keys),), len(fine), dtype=torch.int64, device=voxels.device)
        children.scatter_(0, up[-1], torch.arange(len(fine), device=voxels.device))
        child.append(children.view(-1, 8))
    return DeviceMaps(
        counts=tuple(len(level) for level in keys),
        subm=tuple(_neighbours(level, layout) for level in keys),
        child=tuple(child),
        up=tuple(up),
        coords=(voxels, *(level.to(torch.int32) for level in coords[1:])),
    )


def _layout_of(rows: Tensor) -> _Layout:
    if len(rows) == 0:
        return _Layout(2, 4, 6)
    scan, x, y, z, lowest = torch.cat([rows.amax(dim=0), rows.amin()[None]]).tolist()
    if lowest < 0:
        raise BadPointCloud(f"voxels: expected numbers >= 0, found {lowest}. Count from the range's minimum corner.")
    y_shift = (z + 2).bit_length()
    x_shift = y_shift + (y + 2).bit_length()
    batch_shift = x_shift + (x + 2).bit_length()
    if batch_shift + scan.bit_length() > _KEY_BITS:
        raise BadPointCloud(
            f"voxels: expected to fit {_KEY_BITS} bits together, found up to {(x, y, z)} in {scan + 1} scans. "
            "Use larger voxels or a smaller batch."
        )
    return _Layout(y_shift, x_shift, batch_shift)


def _level_keys(rows: Tensor, layout: _Layout, levels: int) -> list[Tensor]:
    """Sorted keys of the levels above the finest, each once. All are counted before the CPU asks for one number."""
    if len(rows) == 0:
        return [rows[:, 0]] * (levels - 1)
    finest = layout.keys(rows)
    is_behind = finest[1:] <= finest[:-1]
    sorted_keys = [layout.keys(_parents(rows, level)).sort().values for level in range(1, levels)]
    numbers = [torch.cat([one.new_zeros(1), (one[1:] != one[:-1]).cumsum(0)]) for one in sorted_keys]
    told = torch.stack([is_behind.sum(), *(number[-1] + 1 for number in numbers)])
    wrong, *counts = told.tolist()
    if wrong:
        row = int(is_behind.int().argmax()) + 1
        raise BadPointCloud(
            f"voxels: expected rows sorted by batch, x, y, z and each once, found row {row} = {rows[row].tolist()} not "
            "after the row before. Take them from voxelise_scans()."
        )
    return [
        one.new_empty(count).scatter_(0, number, one)  # equal keys meet in one place
        for one, number, count in zip(sorted_keys, numbers, counts, strict=True)
    ]


def _neighbours(keys: Tensor, layout: _Layout) -> Tensor:
    """(N, 27) rows. The three voxels of a line in z stand side by side: one search finds them."""
    step_y, step_x = 1 << layout.y_shift, 1 << layout.x_shift
    lines = [dx * step_x + dy * step_y - 1 for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    wanted = keys[:, None] + torch.tensor(lines, device=keys.device)  # (N, 9)
    at = torch.searchsorted(keys, wanted)
    ended = torch.cat([keys, keys.new_full((1,), _NO_KEY)])
    columns = []
    for step in range(3):
        found = ended[at] == wanted + step
        columns.append(torch.where(found, at, len(keys)))
        at = at + found
    return torch.stack(columns, dim=2).view(len(keys), 27)


def _parents(rows: Tensor, levels: int) -> Tensor:
    return torch.cat([rows[:, :1], rows[:, 1:] >> levels], dim=1)
