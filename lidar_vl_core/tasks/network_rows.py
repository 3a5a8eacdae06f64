"""How many rows a cloud gives each dimension of a network's inputs, as the model file names them."""

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.model_packages.detection_network import detector_voxels
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.voxels.grid import voxelise
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from lidar_vl_core.voxels.point_corners import point_arrays


def network_rows(package: ModelPackage, cloud: PointCloud) -> dict[str, int]:
    """Rows by name, "N0" the voxels of the finest level; zeros for a cloud without points in the network's range."""
    xyz_m, nothing = cloud.measured_xyz_m(), np.zeros((len(cloud), 1), np.float32)
    if package.manifest.detection is not None:
        return _levels(detector_voxels(package.manifest).arrays([(xyz_m, nothing)]).tables.counts)
    if package.manifest.network is not None:
        arrays = point_arrays(xyz_m, nothing, package.grid)
        return _levels(arrays.tables.counts) | {"R": len(arrays.corner_cell)}
    return _levels(build_kernel_maps(voxelise(xyz_m, package.grid).coords, package.manifest.levels).counts)


def _levels(counts: tuple[int, ...]) -> dict[str, int]:
    return {f"N{level}": rows for level, rows in enumerate(counts)}
