"""Checkpoint to model package: one ONNX file, compared with PyTorch on real clouds before it is written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.session import open_session
from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.tasks.point_network import PointNetwork
from lidar_vl_core.voxels.features import voxel_features
from lidar_vl_core.voxels.grid import voxelise
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from offline_training.export.description import CardText, card_markdown, package_manifest
from offline_training.export.detector_onnx import voxelnet_onnx
from offline_training.export.onnx_writer import onnx_model
from offline_training.export.parity import ENGINES, Parity, read_clouds, require_points, write_compared
from offline_training.export.training_sweeps import seen_in_training
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.evaluate import load_network
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.sparse.minkunet import LEVELS, MinkUNet
from offline_training.networks.sparse.minkunet_shapes import SHAPES
from offline_training.networks.voxelnet.voxelnet import VoxelNet
from offline_training.runs.backbones import preparer_of


def export(
    checkpoint_path: Path, out: Path, clouds: Sequence[Path], card: CardText
) -> tuple[ModelPackage, list[Parity]]:
    """Write a checkpoint as a model package, and return how near each engine is to PyTorch.

    clouds: cloud files, or folders of them. Raises BadModelPackage, and writes nothing, when an engine differs by more than
    MAX_DIFFERENCE or in the class of more than 1 - MIN_SAME_CLASS of the points.
    """
    network, config = load_network(checkpoint_path)
    known = network if isinstance(network, VoxelNet) else exportable(network, checkpoint_path)
    return export_network(known, config, out, read_clouds(clouds), card)


def exportable(network: PointBackbone, checkpoint_path: Path) -> MinkUNet:
    """The network, if it is a sparse U-Net. Raises BadModelPackage for another one."""
    if not isinstance(network, MinkUNet):
        raise BadModelPackage(
            f"{checkpoint_path}: expected a sparse U-Net ({', '.join(SHAPES)}), or without words a voxelnet, found a "
            f"{type(network).__name__}, which has no ONNX form. Export one of those."
        )
    return network


def export_network(
    network: MinkUNet | VoxelNet, config: FinetuneConfig, out: Path, clouds: Iterable[PointCloud], card: CardText
) -> tuple[ModelPackage, list[Parity]]:
    """As export(), from a network in memory."""
    network = network.eval().cpu()
    model = voxelnet_onnx(network, card.name) if isinstance(network, VoxelNet) else onnx_model(network, card.name)
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


def compare(
    network: MinkUNet | VoxelNet, config: FinetuneConfig, package: ModelPackage, clouds: Iterable[PointCloud]
) -> list[Parity]:
    """Run PyTorch and every CPU engine on the same clouds."""
    engines = [_engine(package, config, engine) for engine in ENGINES]
    points, count = 0, 0
    largest, same = dict.fromkeys(ENGINES, 0.0), dict.fromkeys(ENGINES, 0)
    prepare = preparer_of(config, "offset")
    for cloud in clouds:
        xyz_m = cloud.measured_xyz_m()
        inputs = prepare([(xyz_m, cloud.intensity)])
        with torch.no_grad():
            expected = network(inputs).numpy()
        row = inputs.row_of_point.numpy()
        row = row[row >= 0]
        for engine, run in zip(ENGINES, engines, strict=True):
            found = run(cloud)
            largest[engine] = max(largest[engine], float(np.abs(found - expected).max(initial=0.0)))
            same[engine] += int((found.argmax(axis=1) == expected.argmax(axis=1))[row].sum())
        points, count = points + len(row), count + 1
    require_points(points)
    return [Parity(engine, count, points, largest[engine], same[engine] / points) for engine in ENGINES]


def _engine(package: ModelPackage, config: FinetuneConfig, engine: str) -> Callable[[PointCloud], np.ndarray]:
    """What gives the scores of a cloud's rows, voxels or points within the range, by an engine."""
    if package.manifest.network is not None:
        network = PointNetwork(package, engine, None)
        return lambda cloud: network.run(replace(cloud, xyz_m=cloud.measured_xyz_m()))[0]
    session = open_session(package, engine)

    def scores(cloud: PointCloud) -> np.ndarray:
        xyz_m = cloud.measured_xyz_m()
        voxels = voxelise(xyz_m, config.grid)
        features = voxel_features(xyz_m, cloud.intensity, voxels, config.grid, config.features)
        return session.run(features, build_kernel_maps(voxels.coords, LEVELS))

    return scores
