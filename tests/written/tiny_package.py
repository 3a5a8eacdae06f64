"""Model packages with random weights: enough to walk every path in milliseconds."""

from pathlib import Path

import numpy as np
import onnx

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.model_packages.manifest import ClassTableSpec, GridSpec, Manifest, Producer
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.sparse_model.onnx_form import SparseGraphBuilder


def write_tiny_package(folder: Path, seed: int = 7) -> Path:
    """nuScenes' 16 classes and three levels."""
    rng = np.random.default_rng(seed)
    features, levels = ("one", "intensity", "height", "range"), 3

    def weight(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)

    def bias(width: int) -> np.ndarray:
        return (0.1 * rng.normal(size=width)).astype(np.float32)  # small, or one class wins everywhere

    builder = SparseGraphBuilder(in_channels=len(features), levels=levels, name="tiny")
    stem = builder.relu(builder.sparse_conv("features", "subm0", weight(27, 4, 8), bias(8)))
    half = builder.relu(builder.sparse_conv(stem, "child0", weight(8, 8, 16), bias(16)))
    quarter = builder.relu(builder.sparse_conv(half, "child1", weight(8, 16, 16), bias(16)))
    deep = builder.relu(builder.sparse_conv(quarter, "subm2", weight(27, 16, 16), bias(16)))
    half_again = builder.relu(builder.sparse_inverse_conv(deep, 1, weight(8, 16, 16), bias(16)))
    full_again = builder.relu(builder.sparse_inverse_conv(builder.add(half_again, half), 0, weight(8, 16, 8), bias(8)))
    model = builder.finish(builder.linear(builder.concat(full_again, stem), weight(16, 16), bias(16)))
    classes = class_table("nuscenes16")
    manifest = Manifest(
        name="tiny",
        class_table=ClassTableSpec(
            name=classes.name,
            names=classes.names,
            colors_rgb=tuple(tuple(color) for color in classes.colors_rgb.tolist()),
        ),
        grid=GridSpec(
            kind="cartesian", voxel_size=(0.2, 0.2, 0.2), point_cloud_range=(-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
        ),
        features=features,
        levels=levels,
        opset=18,
        producer=Producer(version="0.1.0", commit="0" * 40),
        training_data=("none",),
        licence="Apache-2.0",
        limits=("random weights: its answers mean nothing",),
    )
    card = "# Tiny model with random weights\n\nFor tests only.\n\n- knows *nothing*\n"
    return write_model_package(folder, model, manifest, card).path


def write_two_class_package(folder: Path, model: onnx.ModelProto) -> Path:
    """Two classes and one level of one-metre voxels, whatever the model."""
    manifest = Manifest.model_validate_json(
        """{"name": "tiny", "class_table": {"name": "two", "names": ["a", "b"], "colors_rgb": [[0, 0, 0], [1, 1, 1]]},
        "grid": {"kind": "cartesian", "voxel_size": [1, 1, 1], "point_cloud_range": [-8, -8, -8, 8, 8, 8]},
        "features": ["one"], "levels": 1, "opset": 18, "producer": {"version": "0", "commit": "0"},
        "training_data": [], "licence": "Apache-2.0", "limits": []}"""
    )
    return write_model_package(folder, model, manifest, "# Card\n\nGood for tests.\n").path
