"""How many rows a cloud gives each dimension of a network's inputs, as the model file names them."""

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.model_packages.detection_network import detector_voxels
from lidar_vl_core.model_packages.flat_network import flat_grids
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.sparse_model.flat_form import file_inputs, table_shapes
from lidar_vl_core.voxels.cell_sums import cell_sums
from lidar_vl_core.voxels.flat_grids import FlatGrids
from lidar_vl_core.voxels.grid import voxelise
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from lidar_vl_core.voxels.point_corners import point_arrays


def network_rows(package: ModelPackage, cloud: PointCloud) -> dict[str, int]:
    """Rows by name, "N0" the voxels of the finest level; zeros for a cloud without points in the network's range."""
    xyz_m, nothing = cloud.measured_xyz_m(), np.zeros((len(cloud), 1), np.float32)
    if package.manifest.detection is not None:
        return _levels(detector_voxels(package.manifest).arrays([(xyz_m, nothing)]).tables.counts)
    if package.manifest.waffleiron is not None:
        return _flat_sizes(flat_grids(package.manifest), xyz_m, nothing[:, 0])
    if package.manifest.network is not None:
        arrays = point_arrays(xyz_m, nothing, package.grid)
        return _levels(arrays.tables.counts) | {"R": len(arrays.corner_cell)}
    return _levels(build_kernel_maps(voxelise(xyz_m, package.grid).coords, package.manifest.levels).counts)


def _flat_sizes(grids: FlatGrids, xyz_m: np.ndarray, intensity: np.ndarray) -> dict[str, int]:
    rows = grids.rows(xyz_m, intensity)
    sums = [cell_sums(cell, shape) for cell, shape in zip(rows.cells, grids.shapes, strict=True)]
    inputs, tables = file_inputs(rows, sums), table_shapes(grids.shapes)
    return {
        dim: size
        for name, dims in tables.items()
        for dim, size in zip(dims, inputs[name].shape, strict=True)
        if isinstance(dim, str)
    }


def _levels(counts: tuple[int, ...]) -> dict[str, int]:
    return {f"N{level}": rows for level, rows in enumerate(counts)}
