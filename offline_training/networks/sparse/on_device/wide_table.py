"""The table of a 5^3 convolution in torch, on the device where the voxels lie: that of the core's wide_table(), row by row."""

import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadPointCloud

_KEY_BITS = 63  # a positive int64
_NO_KEY = (1 << 63) - 1
_REACH = 2


def device_wide_table(voxels: Tensor) -> Tensor:
    """(M, 125) int64 neighbour at each 5^3 offset, z fastest; M where there is none.

    voxels: (M, 4) int32 batch, x, y, z, as device_kernel_maps() has accepted them. Raises BadPointCloud as wide_table().
    """
    if not len(voxels):
        return torch.empty(0, 125, dtype=torch.int64, device=voxels.device)
    batch, x, y, z = voxels.long().unbind(dim=1)
    most_scan, most_x, most_y, most_z = voxels.amax(dim=0).tolist()
    y_shift = (most_z + 2 * _REACH).bit_length()  # room for two steps on every side: they cannot borrow
    x_shift = y_shift + (most_y + 2 * _REACH).bit_length()
    batch_shift = x_shift + (most_x + 2 * _REACH).bit_length()
    if batch_shift + most_scan.bit_length() > _KEY_BITS:
        raise BadPointCloud(
            f"voxels: expected to fit {_KEY_BITS} bits together for a 5^3 convolution, found up to "
            f"{(most_x, most_y, most_z)} in {most_scan + 1} scans. Use larger voxels or a smaller batch."
        )
    keys = (batch << batch_shift) + ((x + _REACH) << x_shift) + ((y + _REACH) << y_shift) + z + _REACH
    around = range(-_REACH, _REACH + 1)
    lines = [(dx << x_shift) + (dy << y_shift) - _REACH for dx in around for dy in around]
    wanted = keys[:, None] + torch.tensor(lines, device=keys.device)  # (M, 25)
    at = torch.searchsorted(keys, wanted)
    ended = torch.cat([keys, keys.new_full((1,), _NO_KEY)])
    columns = []
    for step in range(2 * _REACH + 1):  # a line's voxels stand side by side: one search finds them
        found = ended[at] == wanted + step
        columns.append(torch.where(found, at, len(keys)))
        at = at + found
    return torch.stack(columns, dim=2).view(len(keys), 125)
