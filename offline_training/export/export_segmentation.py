"""Checkpoint to model package: one ONNX file, compared with PyTorch on real clouds before it is written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.session import open_session
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.tasks.point_network import open_point_network
from lidar_vl_core.voxels.features import voxel_features
from lidar_vl_core.voxels.grid import voxelise
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from offline_training.export.description import CardText, card_markdown, package_manifest
from offline_training.export.detector_onnx import voxelnet_onnx
from offline_training.export.onnx_writer import onnx_model
from offline_training.export.parity import ENGINES, Parity, read_clouds, require_points, write_compared
from offline_training.export.training_sweeps import seen_in_training
from offline_training.export.waffleiron_onnx import waffleiron_onnx
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.evaluate import load_network
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.sparse.minkunet import LEVELS, MinkUNet
from offline_training.networks.voxelnet.voxelnet import VoxelNet
from offline_training.networks.waffleiron.waffleiron import WaffleIron
from offline_training.runs.backbones import flat_grids_of, preparer_of

if TYPE_CHECKING:
    import onnx


def export(
    checkpoint_path: Path, out: Path, clouds: Sequence[Path], card: CardText
) -> tuple[ModelPackage, list[Parity]]:
    """Write a checkpoint as a model package, and return how near each engine is to PyTorch.

    clouds: cloud files, or folders of them. Raises BadModelPackage, and writes nothing, when an engine differs by more than
    MAX_DIFFERENCE or in the class of more than 1 - MIN_SAME_CLASS of the points.
    """
    network, config = load_network(checkpoint_path)
    return export_network(network, config, out, read_clouds(clouds), card)


def export_network(
    network: PointBackbone, config: FinetuneConfig, out: Path, clouds: Iterable[PointCloud], card: CardText
) -> tuple[ModelPackage, list[Parity]]:
    """Export a network in memory, as export() does."""
    network = network.eval().cpu()
    model = onnx_form(network, config, card.name)
    manifest = package_manifest(config, config.class_table, card)
    markdown = card_markdown(network, config, card)
    package, parity = write_compared(
        out, model, manifest, markdown, lambda trial: compare(network, config, trial, clouds)
    )
    sweeps = seen_in_training(config, package)
    if sweeps is not None:
        known = manifest.model_copy(update={"training_sweeps": sweeps})
        package = write_model_package(out, model, known, markdown)
    return package, parity


def onnx_form(network: PointBackbone, config: FinetuneConfig, name: str) -> "onnx.ModelProto":
    """The network as one ONNX file. Raises TypeError for one without a head."""
    if isinstance(network, MinkUNet):
        return onnx_model(network, name)
    if isinstance(network, VoxelNet):
        return voxelnet_onnx(network, name)
    if isinstance(network, WaffleIron):
        return waffleiron_onnx(network, flat_grids_of(config).shapes, name)
    raise TypeError(f"expected a MinkUNet, a VoxelNet or a WaffleIron, found a {type(network).__name__}")


def compare(
    network: PointBackbone, config: FinetuneConfig, package: ModelPackage, clouds: Iterable[PointCloud]
) -> list[Parity]:
    """Run PyTorch and every CPU engine on the same clouds; WaffleIron has ONNX Runtime alone."""
    names = ("onnxruntime",) if isinstance(network, WaffleIron) else ENGINES
    engines = [_engine(package, config, engine) for engine in names]
    points, count = 0, 0
    largest, same = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    prepare = preparer_of(config, "offset")
    for cloud in clouds:
        xyz_m = cloud.measured_xyz_m()
        inputs = prepare([(xyz_m, cloud.intensity)])
        with torch.no_grad():
            expected = network(inputs).numpy()
        row = inputs.row_of_point.numpy()
        row = row[row >= 0]
        for engine, run in zip(names, engines, strict=True):
            found = run(cloud)
            largest[engine] = max(largest[engine], float(np.abs(found - expected).max(initial=0.0)))
            same[engine] += int((found.argmax(axis=1) == expected.argmax(axis=1))[row].sum())
        points, count = points + len(row), count + 1
    require_points(points)
    return [Parity(engine, count, points, largest[engine], same[engine] / points) for engine in names]


def _engine(package: ModelPackage, config: FinetuneConfig, engine: str) -> Callable[[PointCloud], np.ndarray]:
    """What gives the scores of a cloud's rows, voxels or points within the range, by an engine."""
    if package.manifest.network is not None:
        network = open_point_network(package, engine, None)
        return lambda cloud: network.run(replace(cloud, xyz_m=cloud.measured_xyz_m()))[0]
    session = open_session(package, engine)

    def scores(cloud: PointCloud) -> np.ndarray:
        xyz_m = cloud.measured_xyz_m()
        voxels = voxelise(xyz_m, config.grid)
        features = voxel_features(xyz_m, cloud.intensity, voxels, config.grid, config.features)
        return session.run(features, build_kernel_maps(voxels.coords, LEVELS))

    return scores
