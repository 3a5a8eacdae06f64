"""Detection packages with random weights, of anchors and of centres: enough to walk every path in milliseconds."""

from pathlib import Path

import numpy as np
import onnx

from lidar_vl_core.model_packages.detection_spec import (
    AnchorHeadSpec,
    AnchorKindSpec,
    CenterHeadSpec,
    DetectionSpec,
    SelectionSpec,
)
from lidar_vl_core.model_packages.manifest import ClassTableSpec, GridSpec, Manifest, Producer
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.sparse_model.encoder_form import EncoderGraphBuilder
from lidar_vl_core.voxels.encoder_tables import STRIDED
from lidar_vl_core.voxels.grid import VoxelGrid

GRID = VoxelGrid("cartesian", (0.1, 0.1, 0.2), (0.0, -6.4, -2.0, 12.8, 6.4, 4.0))
MAP_SHAPE = (16, 16, 1)
ANCHORS = AnchorHeadSpec(
    kinds=(
        AnchorKindSpec(class_id=0, size_m=(3.9, 1.6, 1.56), bottom_m=-1.78, yaws_rad=(0.0, 1.57)),
        AnchorKindSpec(class_id=1, size_m=(0.8, 0.6, 1.73), bottom_m=-0.6, yaws_rad=(0.0, 1.57)),
    )
)
CENTERS = CenterHeadSpec(groups=((0,), (1, 2)), velocity=True)
SELECTION = SelectionSpec(least_score=0.3, most_candidates=200, iou_threshold=0.1, most_boxes=40)


def tiny_detector_model(head: AnchorHeadSpec | CenterHeadSpec, in_channels: int = 4, seed: int = 7) -> onnx.ModelProto:
    """One convolution on each level, a 2D block of stride 2 and its way back, and a 1 x 1 convolution for every map."""
    rng = np.random.default_rng(seed)

    def weight(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) * np.sqrt(3 / np.prod(shape[1:]))).astype(np.float32)

    graph = EncoderGraphBuilder(in_channels, [conv.volume for conv in STRIDED], "tiny_detector")
    x = graph.relu(graph.sparse_conv("features", "subm0", 0.2 * weight(27, in_channels, 8), np.zeros(8, np.float32)))
    for level, conv in enumerate(STRIDED):
        x = graph.relu(graph.sparse_conv(x, f"strided{level}", weight(conv.volume, 8, 8), np.full(8, 0.1, np.float32)))
    dense = graph.dense_map(x, MAP_SHAPE)
    half = graph.relu(graph.conv2d(dense, weight(8, 8, 3, 3), np.zeros(8, np.float32), stride=2, padding=1))
    full = graph.relu(graph.conv_transpose2d(half, weight(8, 8, 2, 2), np.zeros(8, np.float32)))
    both = graph.concat(dense, full)
    maps = {
        name: graph.conv2d(both, 0.2 * weight(channels, 16, 1, 1), 0.1 * weight(1, channels)[0])
        for name, channels in head.channels.items()
    }
    return graph.finish_maps(maps)


def tiny_detector_manifest(head: AnchorHeadSpec | CenterHeadSpec, **changes: object) -> Manifest:
    """What fits the model."""
    fields = {
        "name": "tiny_detector",
        "task": "detection",
        "class_table": ClassTableSpec(
            name="three", names=("car", "person", "bicycle"), colors_rgb=((255, 0, 0), (0, 255, 0), (0, 0, 255))
        ),
        "grid": GridSpec(kind=GRID.kind, voxel_size=GRID.voxel_size, point_cloud_range=GRID.point_cloud_range),
        "features": ("x", "y", "z", "intensity"),
        "levels": 4,
        "opset": 18,
        "producer": Producer(version="0.1.0", commit="0" * 40),
        "training_data": ("none",),
        "licence": "Apache-2.0",
        "limits": ("random weights: its answers mean nothing",),
        "detection": DetectionSpec(most_points=5, most_voxels=2000, head=head, selection=SELECTION),
    }
    return Manifest(**{**fields, **changes})


def write_tiny_detector(
    folder: Path, head: AnchorHeadSpec | CenterHeadSpec = ANCHORS, features: tuple[str, ...] = ("intensity",)
) -> ModelPackage:
    """A package of three classes over 12.8 m in front of the sensor; features: beside x, y, z."""
    manifest = tiny_detector_manifest(head, features=("x", "y", "z", *features))
    model = tiny_detector_model(head, 3 + len(features))
    return write_model_package(folder, model, manifest, "# Tiny detector\n\nFor tests only.\n")
