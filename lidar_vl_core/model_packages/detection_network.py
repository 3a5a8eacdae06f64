"""Whether the model file of a detector, or of a network for points, is the one its manifest describes."""

from typing import TYPE_CHECKING

from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.manifest import Manifest
from lidar_vl_core.model_packages.package_files import require_equal
from lidar_vl_core.voxels.detector_arrays import DetectorVoxels
from lidar_vl_core.voxels.encoder_tables import STRIDED
from lidar_vl_core.voxels.grid import VoxelGrid
from lidar_vl_core.voxels.point_corners import require_point_map

if TYPE_CHECKING:
    import onnx


def detector_voxels(manifest: Manifest) -> DetectorVoxels:
    """How clouds become voxels for the detector of a manifest. Raises BadConfig for a grid without a map."""
    if manifest.detection is None:
        raise BadModelPackage(
            f"{manifest.name}: expected a package of task detection, found {manifest.task}. Use another package."
        )
    grid = VoxelGrid(manifest.grid.kind, manifest.grid.voxel_size, manifest.grid.point_cloud_range)
    return DetectorVoxels(grid, manifest.detection.most_points, manifest.detection.most_voxels)


def require_fitting_detector(manifest: Manifest, model: "onnx.ModelProto", origin: str) -> None:
    """Raise BadModelPackage unless file and manifest have the same channels, tables, map and outputs."""
    from lidar_vl_core.sparse_model.encoder_graph import read_encoder_graph

    voxels = detector_voxels(manifest)
    graph = read_encoder_graph(model)
    width, height, _ = voxels.map_shape
    channels = {} if manifest.detection is None else manifest.detection.head.channels
    pairs: dict[str, tuple[object, object]] = {
        "features": (len(manifest.features), graph.encoder.in_channels),
        "levels": (manifest.levels, len(graph.kernels)),
        "kernels": (tuple(conv.volume for conv in STRIDED), graph.kernels),
        "map cells x, y, z": (voxels.map_shape, graph.map_shape),
        "maps": ({name: (count, height, width) for name, count in channels.items()}, graph.outputs),
    }
    require_equal(pairs, origin)


def require_fitting_point_network(manifest: Manifest, model: "onnx.ModelProto", origin: str) -> None:
    """Raise BadModelPackage unless file and manifest have the same channels, tables and classes; BadConfig for a grid without a map."""
    from lidar_vl_core.sparse_model.encoder_graph import read_point_graph

    require_point_map(VoxelGrid(manifest.grid.kind, manifest.grid.voxel_size, manifest.grid.point_cloud_range))
    graph = read_point_graph(model)
    pairs = {
        "features": (len(manifest.features), graph.encoder.in_channels),
        "levels": (manifest.levels, len(graph.kernels)),
        "kernels": (tuple(conv.volume for conv in STRIDED), graph.kernels),
        "classes": (len(manifest.class_table.names), graph.out_channels),
    }
    require_equal(pairs, origin)
