"""Checkpoint to model package: one ONNX file, compared with PyTorch on real clouds before it is written."""

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lidar_vl_core import __version__
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.session import open_session
from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.errors import BadModelPackage, BadRequest
from lidar_vl_core.model_packages.language_spec import LanguageSpec
from lidar_vl_core.model_packages.manifest import ClassTableSpec, GridSpec, Manifest, Producer
from lidar_vl_core.model_packages.package import ModelPackage, write_model_package
from lidar_vl_core.sparse_model.onnx_form import OPSET
from lidar_vl_core.voxels.features import voxel_features
from lidar_vl_core.voxels.grid import voxelise
from lidar_vl_core.voxels.kernel_maps import KernelMaps, build_kernel_maps
from offline_training.export.onnx_writer import onnx_model
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.evaluate import load_network
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.sparse.convolution import SparseMaps
from offline_training.networks.sparse.inputs import SparseInputs
from offline_training.networks.sparse.minkunet import LEVELS, SHAPES, MinkUNet
from offline_training.runs.backbone_config import BackboneConfig

MAX_DIFFERENCE = 1e-3  # of a logit, float32
MIN_SAME_CLASS = 0.999  # share of points
ENGINES = ("fused", "onnxruntime")
_CLOUD_SUFFIXES = (".npz", ".bin", ".pcd", ".ply")


class CardText(Config):
    """What only a person can say about a model."""

    name: str
    licence: str
    training_data: tuple[str, ...]  # with attribution, where its licence asks for it
    limits: tuple[str, ...]  # what it is not good for
    text: str  # Markdown: what it is, how it was made, how good it is


@dataclass(frozen=True)
class Parity:
    """How far an engine is from PyTorch on the clouds that were compared."""

    engine: str
    clouds: int
    points: int
    max_difference: float  # of a logit, or of a component of an embedding of unit length
    same_class: float  # share of points

    def __str__(self) -> str:
        return (
            f"{self.engine}: {self.clouds} clouds, {self.points} points, largest difference {self.max_difference:.2g}, "
            f"same class {100 * self.same_class:.3f} %"
        )


def export(
    checkpoint_path: Path, out: Path, clouds: Sequence[Path], card: CardText
) -> tuple[ModelPackage, list[Parity]]:
    """Write a checkpoint as a model package, and return how near each engine is to PyTorch.

    clouds: cloud files, or folders of them. Raises BadModelPackage, and writes nothing, when an engine differs by more than
    MAX_DIFFERENCE or in the class of more than 1 - MIN_SAME_CLASS of the points.
    """
    network, config = load_network(checkpoint_path)
    return export_network(exportable(network, checkpoint_path), config, out, read_clouds(clouds), card)


def exportable(network: PointBackbone, checkpoint_path: Path) -> MinkUNet:
    """The network, if it has an ONNX form. Raises BadModelPackage for one that has none."""
    if not isinstance(network, MinkUNet):
        raise BadModelPackage(
            f"{checkpoint_path}: expected a sparse U-Net ({', '.join(SHAPES)}), found a {type(network).__name__}, which has no "
            "ONNX form. Export one of those."
        )
    return network


def export_network(
    network: MinkUNet, config: FinetuneConfig, out: Path, clouds: Iterable[PointCloud], card: CardText
) -> tuple[ModelPackage, list[Parity]]:
    """As export(), from a network in memory."""
    network = network.eval().cpu()
    model = onnx_model(network, card.name)
    manifest = package_manifest(config, config.class_table, card)
    markdown = card_markdown(network, config, card)
    with tempfile.TemporaryDirectory() as folder:
        trial = write_model_package(Path(folder) / "trial", model, manifest, markdown)
        parity = compare(network, config, trial, clouds)
    require_parity(parity, out)
    return write_model_package(out, model, manifest, markdown), parity


def require_parity(parity: Iterable[Parity], out: Path) -> None:
    """Raise BadModelPackage where an engine is too far from PyTorch."""
    for one in parity:
        if one.max_difference > MAX_DIFFERENCE or one.same_class < MIN_SAME_CLASS:
            raise BadModelPackage(
                f"{out}: expected at most {MAX_DIFFERENCE} difference to PyTorch and {100 * MIN_SAME_CLASS} % equal classes, "
                f"found {one}. Nothing was written; this is a fault of the export."
            )


def compare(
    network: MinkUNet, config: FinetuneConfig, package: ModelPackage, clouds: Iterable[PointCloud]
) -> list[Parity]:
    """Run PyTorch and every CPU engine on the same clouds."""
    sessions = [open_session(package, engine) for engine in ENGINES]
    points, count = 0, 0
    largest, same = dict.fromkeys(ENGINES, 0.0), dict.fromkeys(ENGINES, 0)
    for cloud in clouds:
        features, maps, row = _network_input(config, cloud)
        with torch.no_grad():
            expected = network(
                SparseInputs.of_voxels(torch.from_numpy(features), SparseMaps.from_kernel_maps(maps, "offset"))
            ).numpy()
        for session in sessions:
            found, engine = session.run(features, maps), session.engine_name
            largest[engine] = max(largest[engine], float(np.abs(found - expected).max(initial=0.0)))
            same[engine] += int((found.argmax(axis=1) == expected.argmax(axis=1))[row].sum())
        points, count = points + len(row), count + 1
    if points == 0:
        raise BadRequest(
            "export: expected clouds with points in the grid to compare on, found none. Give other clouds."
        )
    return [Parity(engine, count, points, largest[engine], same[engine] / points) for engine in ENGINES]


def read_clouds(paths: Sequence[Path]) -> list[PointCloud]:
    """Clouds of files and of folders. Raises BadRequest where there are none."""
    from lidar_vl_core.clouds.cloud_files import read_cloud

    files: list[Path] = []
    for path in paths:
        inside = sorted(file for file in path.glob("*") if file.suffix in _CLOUD_SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise BadRequest(
                f"{path}: expected cloud files ({' '.join(_CLOUD_SUFFIXES)}), found none. Give another folder."
            )
        files += inside
    return [read_cloud(file) for file in files]


def _network_input(config: FinetuneConfig, cloud: PointCloud) -> tuple[np.ndarray, KernelMaps, np.ndarray]:
    """Features and kernel maps of a cloud, and the voxel row of each of its points that lie in the grid."""
    voxels = voxelise(cloud.xyz_m, config.grid)
    features = voxel_features(cloud.xyz_m, cloud.intensity, voxels, config.grid, config.features)
    return features, build_kernel_maps(voxels.coords, LEVELS), voxels.point_to_voxel[voxels.point_to_voxel >= 0]


def package_manifest(
    config: BackboneConfig, classes: ClassTable, card: CardText, language: LanguageSpec | None = None
) -> Manifest:
    """What a robot is told of a network besides its weights; language: of one that answers with embeddings."""
    grid = config.grid
    low, high = grid.range_min, grid.range_max
    return Manifest(
        name=card.name,
        task="segmentation" if language is None else "embedding",
        class_table=ClassTableSpec(
            name=classes.name,
            names=classes.names,
            colors_rgb=tuple((int(r), int(g), int(b)) for r, g, b in classes.colors_rgb),
        ),
        grid=GridSpec(kind=grid.kind, voxel_size=grid.voxel_size, point_cloud_range=(*low, *high)),
        features=config.features,
        levels=LEVELS,
        opset=OPSET,
        producer=Producer(version=__version__, commit=_commit()),
        training_data=card.training_data,
        licence=card.licence,
        limits=card.limits,
        language=language,
    )


def card_markdown(network: MinkUNet, config: BackboneConfig, card: CardText) -> str:
    """The model card."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    lines = [
        f"# {card.name}",
        "",
        card.text.strip(),
        "",
        f"- Network: {config.network}, {parameters / 1e6:.2f} million parameters, planes {list(network.shape.planes)}.",
        f"- Input: {', '.join(config.features)} per voxel of {config.voxel_size} ({config.grid_kind}).",
        f"- Range: {config.point_cloud_range}.",
        f"- Licence: {card.licence}",
        "",
        "## Training data",
        "",
        *[f"- {line}" for line in card.training_data],
        "",
        "## Not good for",
        "",
        *[f"- {line}" for line in card.limits],
    ]
    return "\n".join(lines) + "\n"


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
