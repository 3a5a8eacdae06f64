"""Clouds of several LiDARs merged to one: in the frame and at the stamp of the first, the others transformed from theirs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform


@dataclass(frozen=True, eq=False)
class PlacedCloud:
    """A cloud of another LiDAR and its transform."""

    cloud: PointCloud
    T_main_other: RigidTransform  # from its frame at its own stamp to the main cloud's frame at that one's stamp


def merged_clouds(main: PointCloud, others: Sequence[PlacedCloud]) -> PointCloud:
    """The main cloud, all its points first and as they came, and after it the points of the others, in the given order.

    Points of others without a return are left out: moved, they would be places. Fields of `extra` stay where all have them.
    """
    parts = [main, *(_seen_from(main, other) for other in others if len(other.cloud))]
    if len(parts) == 1:
        return main
    return replace(
        main,
        xyz_m=np.concatenate([part.xyz_m for part in parts]),
        intensity=np.concatenate([part.intensity for part in parts]),
        extra={name: np.concatenate([part.extra[name] for part in parts]) for name in _fields_of_all(parts)},
    )


def _seen_from(main: PointCloud, other: PlacedCloud) -> PointCloud:
    """What another LiDAR saw, where it lies in the main cloud's frame and from its origin."""
    cloud = other.cloud
    kept = np.flatnonzero(cloud.has_return())
    seen_m = cloud.xyz_m[kept]
    if any((*cloud.origin_m, *main.origin_m)):
        seen_m = seen_m + np.array(cloud.origin_m)  # float64 from here on
    xyz_m = other.T_main_other.apply(seen_m)
    if any(main.origin_m):
        xyz_m = xyz_m - np.array(main.origin_m)
    extra = {name: column[kept] for name, column in cloud.extra.items()}
    return replace(cloud, xyz_m=xyz_m.astype(np.float32, copy=False), intensity=cloud.intensity[kept], extra=extra)


def _fields_of_all(parts: Sequence[PointCloud]) -> list[str]:
    first, *rest = parts
    return [
        name
        for name, column in first.extra.items()
        if all(name in part.extra and part.extra[name].dtype == column.dtype for part in rest)
        and all(part.extra[name].shape[1:] == column.shape[1:] for part in rest)
    ]
