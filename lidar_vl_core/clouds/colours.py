"""Colours of a point cloud, in whichever of the two usual forms it carries them, and as viewers read them."""

from collections.abc import Sequence

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud


def rgb_of_columns(columns: Sequence[np.ndarray]) -> np.ndarray | None:
    """(N, 3) uint8 out of red, green and blue (N,), or of one column of four bytes, packed; None where it is neither.

    Whole numbers of two bytes are 0..65535, floats 0..1 where none is larger, else 0..255.
    """
    if len(columns) == 1 and columns[0].dtype.itemsize == 4:
        packed = np.ascontiguousarray(columns[0]).view(np.uint32)
        return np.stack([(packed >> shift).astype(np.uint8) for shift in (16, 8, 0)], axis=1)
    if len(columns) != 3:
        return None
    rgb = np.stack(columns, axis=1)
    if rgb.dtype.kind == "f":
        largest = np.nanmax(rgb, initial=0.0)
        rgb = np.round(np.nan_to_num(rgb) * (255.0 if largest <= 1.0 else 1.0))
    elif rgb.dtype == np.uint16:
        rgb = rgb >> 8
    return np.clip(rgb, 0, 255).astype(np.uint8)


def cloud_rgb(cloud: PointCloud) -> np.ndarray | None:
    """(N, 3) uint8 colours from the field "rgb"; None where the cloud has none.

    The field is (N, 3), or (N,) of four bytes as PCL packs them: blue lowest, then green, red.
    """
    rgb = cloud.extra.get("rgb")
    if rgb is None or rgb.shape == (len(cloud), 3):
        return rgb
    return rgb_of_columns([rgb]) if rgb.shape == (len(cloud),) else None


def packed_rgb(rgb: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 colours as PCL, RViz and Foxglove read the field "rgb": (N,) float32 whose bits are 0x00RRGGBB."""
    red, green, blue = rgb.astype(np.uint32).T
    return (red << 16 | green << 8 | blue).view(np.float32)
