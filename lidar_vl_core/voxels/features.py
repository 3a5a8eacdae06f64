"""Input features of a voxel, from all its points or its first; the same code for training and robot."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from lidar_vl_core.foundation.compiled import read_only
from lidar_vl_core.foundation.errors import BadConfig, BadPointCloud
from lidar_vl_core.foundation.threads import HelperThreads, default_threads
from lidar_vl_core.voxels.grid import VoxelGrid, Voxels, grid_axes

COLOUR_FEATURES = ("red", "green", "blue")  # of coloured clouds only
FEATURE_NAMES = (
    "one",
    "intensity",
    "height",
    "range",
    "offset_x",
    "offset_y",
    "offset_z",
    "log_points",
    "first_intensity_255",
    "first_intensity_plus_1",
    *COLOUR_FEATURES,
)
HEIGHT_UNIT_M, RANGE_UNIT_M = 3.0, 50.0  # so that features are about 1: a van's height, half of the returns' range
GROUND_RING_M = (3.0, 30.0)  # beyond the own car's body, within the reach of dense ground returns
GROUND_QUANTILE = 0.05


def voxel_features(
    cloud_xyz_m: np.ndarray,
    intensity: np.ndarray,
    voxels: Voxels,
    grid: VoxelGrid,
    names: Sequence[str],
    threads: int | None = None,
    rgb: np.ndarray | None = None,
) -> np.ndarray:
    """(M, len(names)) float32 features, each of the mean of the voxel's points along the grid's axes, or of its first point.

    one: 1. intensity: 0..1. height: z above ground_height_m, in 3 m. range: horizontal, in 50 m. offset_x, offset_y,
    offset_z: mean point minus voxel centre along the grid's axes, in voxel sizes. log_points: log(1 + points).
    first_intensity_255 and first_intensity_plus_1: intensity of the voxel's first point in the order of the cloud, as
    0..255 and as 1..2: what the SR-UNets of SLidR and OLIVINE read on nuScenes and on SemanticKITTI.
    red, green, blue: mean colour of the points, -1..1 as OpenScene's networks read it (theirs is the first point's).
    cloud_xyz_m: (N, 3); intensity: (N,), what is not finite counts as 0; rgb: (N, 3) uint8, needed by colours alone.
    Raises BadConfig for an unknown name, BadPointCloud where the arrays do not belong together or colours are missing.
    """
    from lidar_vl_core.voxels.grid_loops import SUMS, add_points, means

    unknown = [name for name in names if name not in FEATURE_NAMES]
    if unknown or not names:
        raise BadConfig(f"features: expected names from {', '.join(FEATURE_NAMES)}, found {unknown}.")
    _require_same_count(len(cloud_xyz_m), intensity, voxels)
    threads = threads or default_threads()
    xyz_m, brightness = read_only(cloud_xyz_m, np.float32), read_only(intensity, np.float32)
    point_to_voxel = read_only(voxels.point_to_voxel, np.int32)
    axes = grid_axes(grid)
    count = len(voxels.coords)
    sums = np.zeros((count, SUMS))
    with HelperThreads(threads) as helpers:
        for part in range(threads):
            first, last = count * part // threads, count * (part + 1) // threads
            helpers.add(partial(add_points, xyz_m, brightness, point_to_voxel, *axes, first, last, sums))
        ground_m = ground_height_m(cloud_xyz_m) if "height" in names else 0.0
    voxel_size = np.array(grid.voxel_size, np.float64)
    mean = means(sums, read_only(voxels.coords, np.int32), axes[0], voxel_size, grid.kind == "cylindrical")
    features = np.empty((count, len(names)), np.float32)
    for column, name in enumerate(names):
        if name.startswith("first_"):
            features[:, column] = _first_feature(name, brightness, point_to_voxel, count)
        elif name in COLOUR_FEATURES:
            features[:, column] = _mean_colour(rgb, COLOUR_FEATURES.index(name), point_to_voxel, count)
        else:
            features[:, column] = _feature(name, mean, ground_m)
    return features


def ground_height_m(xyz_m: np.ndarray) -> float:
    """Height of the ground in the sensor frame: 5th percentile of z within 3..30 m; 0.0 where nothing is there.

    xyz_m: (N, 3) metres; points that are not finite do not count.
    """
    from lidar_vl_core.voxels.grid_loops import heights_in_ring

    z_m = heights_in_ring(read_only(xyz_m, np.float32), *GROUND_RING_M)
    if len(z_m) == 0:
        return 0.0
    rank = int(GROUND_QUANTILE * (len(z_m) - 1))
    z_m.partition(rank)
    return float(z_m[rank])


def _feature(name: str, mean: np.ndarray, ground_m: float) -> np.ndarray | float:
    """(M,) one feature out of the (M, 7) float32 of grid_loops.means()."""
    if name == "one":
        return 1.0
    if name == "intensity":
        return mean[:, 1]
    if name == "range":
        return mean[:, 2] * np.float32(1.0 / RANGE_UNIT_M)
    if name == "height":
        return (mean[:, 3] - np.float32(ground_m)) * np.float32(1.0 / HEIGHT_UNIT_M)
    if name == "log_points":
        return np.log1p(mean[:, 0])
    return mean[:, 4 + "xyz".index(name[-1])]


def _first_feature(name: str, brightness: np.ndarray, point_to_voxel: np.ndarray, count: int) -> np.ndarray:
    """(M,) one feature of each voxel's first point."""
    backwards = np.flatnonzero(point_to_voxel >= 0)[::-1]
    first = np.zeros(count, np.int64)
    first[point_to_voxel[backwards]] = backwards  # of several writes to a voxel the last one stays: its first point
    intensity = brightness[first]
    intensity = np.where(np.isfinite(intensity), intensity, np.float32(0.0))
    return intensity * np.float32(255.0) if name == "first_intensity_255" else intensity + np.float32(1.0)


def _mean_colour(rgb: np.ndarray | None, channel: int, point_to_voxel: np.ndarray, count: int) -> np.ndarray:
    """(M,) one channel of the mean colour of each voxel's points, -1..1."""
    if rgb is None or rgb.shape != (len(point_to_voxel), 3):
        raise BadPointCloud(
            f"features: expected the colours of {len(point_to_voxel)} points, found "
            f"{'none' if rgb is None else rgb.shape}, though the model reads red, green and blue. Give a coloured cloud, "
            "or cameras that see it, or a model that reads no colours."
        )
    inside = point_to_voxel >= 0
    voxel = point_to_voxel[inside]
    sums = np.bincount(voxel, rgb[inside, channel].astype(np.float64), minlength=count)
    return (sums / np.maximum(np.bincount(voxel, minlength=count), 1) / 127.5 - 1.0).astype(np.float32)


def _require_same_count(count: int, intensity: np.ndarray, voxels: Voxels) -> None:
    if len(intensity) != count or len(voxels.point_to_voxel) != count:
        raise BadPointCloud(
            f"features: expected {count} intensities and voxel numbers, one per point, found {len(intensity)} and "
            f"{len(voxels.point_to_voxel)}. Give the cloud that was voxelised."
        )
