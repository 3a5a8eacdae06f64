"""Points to voxels and their features in torch, on the device where the points lie: what voxelise() and voxel_features() give.

A stable sort brings the points of a voxel together in their order, so that sums are added up in the core's order, too: on
cartesian grids voxels are the same and features differ by the last bit of a logarithm at most. On cylindrical ones a
device's own arc tangent may put a point on a face into the next cell. The CPU waits once, for the number of voxels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadConfig, BadPointCloud
from lidar_vl_core.voxels import features as core
from lidar_vl_core.voxels.grid import VoxelGrid

_NO_CELL = (1 << 63) - 1
_KEY_BITS = 63


@dataclass(frozen=True)
class DeviceVoxels:
    """The occupied cells of several scans, and where each point went."""

    voxels: Tensor  # (M, 4) int32 batch, x, y, z, sorted
    row_of_point: Tensor  # (P,) int64 into voxels, -1 for a point that is not finite or out of range
    order: Tensor  # (P,) int64 points voxel by voxel, each voxel's in their order; those without a voxel last
    points_of_voxel: Tensor  # (M,) int64


def voxelise_scans(xyz_m: Tensor, points_per_scan: Sequence[int], grid: VoxelGrid) -> DeviceVoxels:
    """xyz_m: (P, 3) float32 metres, scan after scan. Raises BadPointCloud for another shape, or too many scans."""
    if xyz_m.ndim != 2 or xyz_m.shape[1] != 3 or len(xyz_m) != sum(points_per_scan):
        raise BadPointCloud(
            f"xyz_m: expected ({sum(points_per_scan)}, 3), found {tuple(xyz_m.shape)}. Give one row per point of the scans."
        )
    axis_bits = [(cells - 1).bit_length() for cells in grid.shape]
    shifts = (axis_bits[1] + axis_bits[2], axis_bits[2], 0)
    if sum(axis_bits) + len(points_per_scan).bit_length() > _KEY_BITS:
        raise BadPointCloud(
            f"batch of {len(points_per_scan)} scans: expected to fit {_KEY_BITS} bits with a grid of {grid.shape} cells. "
            "Use a larger voxel_size or a smaller batch."
        )
    place = _on_axes(xyz_m, grid)  # (P, 3) float64
    low, high = _axis_numbers(grid.range_min, xyz_m), _axis_numbers(grid.range_max, xyz_m)
    inside = ((place >= low) & (place < high)).all(dim=1)  # False for NaN
    cells_per_unit = _axis_numbers([1.0 / size for size in grid.voxel_size], xyz_m)
    last_cell = torch.tensor(grid.shape, device=xyz_m.device) - 1
    cell = ((torch.where(inside[:, None], place, low) - low) * cells_per_unit).long().minimum(last_cell)
    key = _scan_of_point(points_per_scan, xyz_m.device) << sum(axis_bits)
    for axis, shift in enumerate(shifts):
        key = key | (cell[:, axis] << shift)
    key, order = torch.where(inside, key, _NO_CELL).sort(stable=True)
    begins = key != _NO_CELL
    begins[1:] &= key[1:] != key[:-1]
    row = begins.long().cumsum(0) - 1
    count = int(row[-1]) + 1 if len(row) else 0
    row = torch.where(key == _NO_CELL, count, row)
    cells = key.new_zeros(count + 1).scatter_(0, row, key)[:count]
    points = torch.zeros_like(key[:1]).repeat(count + 1).scatter_add_(0, row, torch.ones_like(row))[:count]
    columns = [cells >> sum(axis_bits)]
    columns += [(cells >> shift) & ((1 << bits) - 1) for shift, bits in zip(shifts, axis_bits, strict=True)]
    row_of_point = torch.empty_like(row).scatter_(0, order, torch.where(row == count, -1, row))
    return DeviceVoxels(torch.stack(columns, dim=1).to(torch.int32), row_of_point, order, points)


def device_features(
    xyz_m: Tensor,
    intensity: Tensor,
    rgb: Tensor | None,
    voxels: DeviceVoxels,
    points_per_scan: Sequence[int],
    grid: VoxelGrid,
    names: Sequence[str],
) -> Tensor:
    """(M, len(names)) float32, each as voxel_features() has it.

    xyz_m, rgb: (N, 3); intensity: (N,).
    Raises BadConfig for an unknown name, BadPointCloud for missing colours.
    """
    unknown = [name for name in names if name not in core.FEATURE_NAMES]
    if unknown or not names:
        raise BadConfig(f"features: expected names of {', '.join(core.FEATURE_NAMES)}, found {unknown}.")
    if rgb is None and any(name in core.COLOUR_FEATURES for name in names):
        raise BadPointCloud("features: expected the colours of the points, found none. Give a coloured cloud.")
    brightness = torch.where(intensity.isfinite(), intensity, 0.0)
    mean = _means(xyz_m, brightness, rgb, voxels, grid)
    scan = voxels.voxels[:, 0].long()
    ground_m = torch.stack([_ground_m(part) for part in xyz_m.split(list(points_per_scan))])[scan]
    first = voxels.order[voxels.points_of_voxel.cumsum(0) - voxels.points_of_voxel]
    of_name = {
        "one": torch.ones_like(ground_m),
        "intensity": mean[:, 0],
        "range": mean[:, 1] * _float32(1.0 / core.RANGE_UNIT_M),
        "height": (mean[:, 2] - ground_m) * _float32(1.0 / core.HEIGHT_UNIT_M),
        "log_points": voxels.points_of_voxel.float().log1p(),
        "first_intensity_255": brightness[first] * 255.0,
        "first_intensity_plus_1": brightness[first] + 1.0,
    }
    of_name |= dict(
        zip(("offset_x", "offset_y", "offset_z", *core.COLOUR_FEATURES), mean[:, 3:].unbind(1), strict=False)
    )
    return torch.stack([of_name[name] for name in names], dim=1)


def _means(xyz_m: Tensor, brightness: Tensor, rgb: Tensor | None, voxels: DeviceVoxels, grid: VoxelGrid) -> Tensor:
    """(M, 6 or 9) float32 of the mean point: intensity, horizontal range, z, offset from the voxel's centre, colours -1..1."""
    values = [brightness[:, None].double(), _on_axes(xyz_m, grid), *([] if rgb is None else [rgb.double()])]
    count = voxels.points_of_voxel
    lengths = torch.cat([count, (len(xyz_m) - count.sum())[None]])  # the last are those without a voxel
    ordered = torch.cat(values, dim=1)[voxels.order]
    sums = torch.segment_reduce(ordered, "sum", lengths=lengths, axis=0, unsafe=True)[: len(count)]
    mean = sums * (1.0 / count.double())[:, None]
    place = mean[:, 1:4]
    across = place[:, 0] if grid.kind == "cylindrical" else (place[:, 0] ** 2 + place[:, 1] ** 2).sqrt()
    size, low = _axis_numbers(grid.voxel_size, xyz_m), _axis_numbers(grid.range_min, xyz_m)
    offset = (place - low) / size - (voxels.voxels[:, 1:].double() + 0.5)
    columns = [mean[:, :1], across[:, None], place[:, 2:], offset]
    if rgb is not None:
        columns.append(sums[:, 4:] / count.double()[:, None] / 127.5 - 1.0)
    return torch.cat(columns, dim=1).float()


def _ground_m(xyz_m: Tensor) -> Tensor:
    """() float32 ground_height_m() of one scan."""
    if len(xyz_m) == 0:
        return xyz_m.new_zeros(())
    nearest, farthest = core.GROUND_RING_M
    across = xyz_m[:, 0].double() ** 2 + xyz_m[:, 1].double() ** 2
    in_ring = (across >= nearest * nearest) & (across <= farthest * farthest) & xyz_m[:, 2].isfinite()
    z_m = torch.where(in_ring, xyz_m[:, 2], math.inf).sort().values
    count = in_ring.sum()
    rank = (core.GROUND_QUANTILE * (count - 1).double()).long().clamp(min=0)
    return torch.where(count > 0, z_m[rank], 0.0)


def _on_axes(xyz_m: Tensor, grid: VoxelGrid) -> Tensor:
    """(P, 3) float64 along the grid's axes: (x, y, z) or (rho, phi, z)."""
    xyz_m = xyz_m.double()
    if grid.kind != "cylindrical":
        return xyz_m
    low, high = grid.range_min[1], grid.range_max[1]
    phi = torch.atan2(xyz_m[:, 1], xyz_m[:, 0])
    phi = torch.where(phi < low, phi + 2 * math.pi, phi)
    phi = torch.where(phi >= high, phi - 2 * math.pi, phi)
    if grid.full_turn:
        phi = torch.where(phi < low, low, phi)
    rho = (xyz_m[:, 0] * xyz_m[:, 0] + xyz_m[:, 1] * xyz_m[:, 1]).sqrt()
    return torch.stack([rho, phi, xyz_m[:, 2]], dim=1)


def _scan_of_point(points_per_scan: Sequence[int], device: torch.device) -> Tensor:
    scans = torch.arange(len(points_per_scan), device=device)
    return scans.repeat_interleave(torch.tensor(points_per_scan, device=device), output_size=sum(points_per_scan))


def _axis_numbers(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=like.device)


def _float32(value: float) -> float:
    return float(torch.tensor(value, dtype=torch.float32))
