"""Whether the model file of a WaffleIron is the one its manifest describes, and how it reads points."""

from typing import TYPE_CHECKING

from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from lidar_vl_core.model_packages.manifest import Manifest
from lidar_vl_core.model_packages.package_files import require_equal
from lidar_vl_core.voxels.cell_sums import WIDTHS
from lidar_vl_core.voxels.flat_grids import NEIGHBOURS, FlatGrids

if TYPE_CHECKING:
    import onnx


def flat_grids(manifest: Manifest) -> FlatGrids:
    """How points become the rows of the WaffleIron of a manifest. Raises BadConfig for a grid without cells."""
    spec, grid = manifest.waffleiron, manifest.grid
    if spec is None:
        raise BadModelPackage(
            f"{manifest.name}: expected a package of WaffleIron, found network {manifest.network}. Use another package."
        )
    if grid.kind != "cartesian":
        raise BadConfig(f"grid: expected cartesian for WaffleIron, found {grid.kind}. Write kind: cartesian.")
    return FlatGrids(grid.voxel_size, grid.point_cloud_range, spec.waffle_cell_m, spec.waffle_max_points)


def require_fitting_flat_network(manifest: Manifest, model: "onnx.ModelProto", origin: str) -> None:
    """Raise BadModelPackage unless file and manifest have the same channels, grids and classes; BadConfig as flat_grids()."""
    from lidar_vl_core.sparse_model.flat_graph import read_flat_graph

    grids = flat_grids(manifest)
    graph = read_flat_graph(model)
    pairs = {
        "features": (len(manifest.features), graph.in_channels),
        "neighbours": (NEIGHBOURS, graph.neighbours),
        "levels": (manifest.levels, len(WIDTHS)),
        "cells of the grids": (grids.shapes, graph.grid_shapes),
        "classes": (len(manifest.class_table.names), graph.out_channels),
    }
    require_equal(pairs, origin)
