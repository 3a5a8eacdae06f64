"""Colours of a point cloud, in any of the usual formats, and as viewers read them."""

from collections.abc import Sequence

import numpy as np

from lidar_vl_core.clouds.formats.fields import colour_names
from lidar_vl_core.clouds.point_cloud import PointCloud


def cloud_rgb(cloud: PointCloud) -> np.ndarray | None:
    """(N, 3) uint8 colours from the cloud's further fields; None where it has none."""
    names = ("rgb",) if "rgb" in cloud.extra else colour_names(cloud.extra)
    return rgb_of_columns([cloud.extra[name] for name in names])


def rgb_of_columns(fields: Sequence[np.ndarray]) -> np.ndarray | None:
    """(N, 3) uint8 from red, green and blue, each (N,), or from one field; None where they are no colours.

    Channels may be 0..255 or 0..65535 numbers of any type, or 0..1 floats. One field is (N, 3) or (N, 4), or (N,) as PCL
    packs them: blue lowest, then green, red, as an integer, as the bits of a float, or as an integer written as a float.
    """
    if len(fields) == 3:
        return _eight_bits(np.stack(fields, axis=1)) if all(field.ndim == 1 for field in fields) else None
    if len(fields) != 1:
        return None
    field = fields[0]
    if field.ndim == 2 and field.shape[1] in (3, 4):
        return _eight_bits(field[:, :3])
    if field.ndim != 1 or field.dtype.itemsize < 4 or field.dtype.kind not in "iuf":
        return None
    packed = _packed_bits(field)
    return np.stack([(packed >> shift).astype(np.uint8) for shift in (16, 8, 0)], axis=1)


def packed_rgb(rgb: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 colours as PCL, RViz and Foxglove read the field "rgb": (N,) float32 whose bits are 0x00RRGGBB."""
    red, green, blue = rgb.astype(np.uint32).T
    return (red << 16 | green << 8 | blue).view(np.float32)


def _packed_bits(field: np.ndarray) -> np.ndarray:
    if field.dtype.kind != "f":
        return (field & 0xFFFFFFFF).astype(np.uint32) if field.dtype.itemsize == 8 else field.astype(np.uint32)
    # The bits of a colour make floats near zero, NaN or huge negative ones, and no whole numbers from 1 on.
    whole = (field >= 0) & (field < 1 << 32) & (field == np.floor(field))
    if whole.all():
        return field.astype(np.uint32)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(field, np.float32).view(np.uint32)


def _eight_bits(channels: np.ndarray) -> np.ndarray | None:
    if channels.dtype == np.uint8:
        return channels
    if channels.dtype.kind not in "iuf":
        return None
    values = np.nan_to_num(channels.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    most = values.max(initial=0.0)
    if values.min(initial=0.0) < 0 or most > 65535:
        return None
    if most > 255:
        values = np.floor(values / 256)  # 8 bits times 256, as CloudCompare widens them, and times 257 alike
    elif most <= 1 and channels.dtype.kind == "f":
        values *= 255
    return np.rint(values).astype(np.uint8)
