"""Colours of a point cloud, in whichever of the two usual forms it carries them, and as viewers read them."""

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud


def cloud_rgb(cloud: PointCloud) -> np.ndarray | None:
    """(N, 3) uint8 colours from the field "rgb"; None where the cloud has none.

    The field is (N, 3), or (N,) of four bytes as PCL packs them: blue lowest, then green, red.
    """
    rgb = cloud.extra.get("rgb")
    if rgb is None or rgb.shape == (len(cloud), 3):
        return rgb
    if rgb.shape != (len(cloud),) or rgb.dtype.itemsize != 4:
        return None
    packed = np.ascontiguousarray(rgb).view(np.uint32)
    return np.stack([(packed >> shift).astype(np.uint8) for shift in (16, 8, 0)], axis=1)


def packed_rgb(rgb: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 colours as PCL, RViz and Foxglove read the field "rgb": (N,) float32 whose bits are 0x00RRGGBB."""
    red, green, blue = rgb.astype(np.uint32).T
    return (red << 16 | green << 8 | blue).view(np.float32)
