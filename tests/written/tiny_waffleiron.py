"""A package of WaffleIron with random weights: enough to walk every path in milliseconds."""

from pathlib import Path

import numpy as np
import onnx

from lidar_vl_core.model_packages.manifest import ClassTableSpec, GridSpec, Manifest, Producer, WaffleSpec
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.sparse_model.flat_form import FlatGraphBuilder
from lidar_vl_core.voxels.flat_grids import FEATURES, NEIGHBOURS, PLANES, FlatGrids

GRIDS = FlatGrids((0.1, 0.1, 0.1), (-10.0, -10.0, -4.0, 10.0, 10.0, 4.0), 1.0, 900)
CLASSES = ClassTableSpec(name="two", names=("low", "high"), colors_rgb=((0, 0, 255), (255, 0, 0)))


def tiny_waffleiron_model(seed: int = 7) -> onnx.ModelProto:
    """A layer for each plane."""
    rng = np.random.default_rng(seed)
    channels = 6

    def weights(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        width = shape[0] if len(shape) == 4 else shape[-1]
        return (0.4 * rng.normal(size=shape)).astype(np.float32), (0.1 * rng.normal(size=width)).astype(np.float32)

    graph = FlatGraphBuilder(len(FEATURES), NEIGHBOURS, GRIDS.shapes, "tiny_waffleiron")
    own, near = weights(len(FEATURES), channels), weights(len(FEATURES), channels)
    x = graph.embed(own, near, weights(channels, channels)[0], weights(2 * channels, channels))
    for plane in range(len(PLANES)):
        norm = np.full(channels, 0.5, np.float32), np.full(channels, -0.1, np.float32)
        x = graph.spatial_mix(x, graph.scaled(x, norm), plane, weights(channels, 1, 3, 3), weights(channels, 1, 3, 3))
        x = graph.channel_mix(x, x, weights(channels, channels), weights(channels, channels))
    return graph.finish(x, weights(channels, len(CLASSES.names)))


def tiny_waffleiron_manifest(**changes: object) -> Manifest:
    """What fits the model."""
    fields = {
        "name": "tiny_waffleiron",
        "network": "waffleiron",
        "waffleiron": WaffleSpec(waffle_cell_m=GRIDS.cell_m, waffle_max_points=GRIDS.max_points),
        "class_table": CLASSES,
        "grid": GridSpec(kind="cartesian", voxel_size=GRIDS.voxel_size_m, point_cloud_range=GRIDS.point_cloud_range_m),
        "features": FEATURES,
        "levels": 3,
        "opset": 18,
        "producer": Producer(version="0.1.0", commit="0" * 40),
        "training_data": ("none",),
        "licence": "Apache-2.0",
        "limits": ("random weights: its answers mean nothing",),
    }
    return Manifest(**{**fields, **changes})


def write_tiny_waffleiron(folder: Path) -> ModelPackage:
    """A package of two classes within 10 m."""
    return write_model_package(folder, tiny_waffleiron_model(), tiny_waffleiron_manifest(), "# Tiny\n")
