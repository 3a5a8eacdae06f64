"""A checkpoint of `guide` as a package that understands words: network, text table and, where asked, the towers of its image model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.colours import cloud_rgb
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCheckpoint, BadModelPackage
from lidar_vl_core.model_packages.language_files import LanguageFiles
from lidar_vl_core.model_packages.language_spec import LanguageSpec
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.text_table import TextTable, label_embeddings, unit_rows
from lidar_vl_core.words.vocabulary import load_vocabulary
from offline_training.export.description import CardText, card_markdown, package_manifest
from offline_training.export.onnx_writer import onnx_model
from offline_training.export.parity import ENGINES, Parity, read_clouds, require_points, write_compared
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.minkunet_shapes import SHAPES
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.words.features.run_text import embedded_words, text_space_of
from offline_training.words.image_models.base.dense_model import DenseImageModel
from offline_training.words.image_models.base.templates import template_sentences
from offline_training.words.image_models.open_model import open_image_model
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.adapter.adapted_tower import with_adapter
from offline_training.words.stages.adapter.specialise import load_adapter
from offline_training.words.stages.guidance.inference import (
    LanguageNetwork,
    load_language_network,
    load_text_table,
    row_embeddings,
)


@dataclass(frozen=True)
class Towers:
    """What of the image model goes into the package."""

    text: bool = False  # the robot can then be asked for words that the table lacks
    image_size: tuple[int, int] | None = None  # height, width of the image tower's input; nothing = no image tower
    adapter: bool = False  # the image tower's features pass the run's adapter, which the 3D network learned


def export_embedding(
    checkpoint_path: Path,
    out: Path,
    clouds: Sequence[Path],
    card: CardText,
    vocabulary: str | None = None,
    towers: Towers = Towers(),
) -> tuple[ModelPackage, list[Parity]]:
    """Write the package, and return how near each engine is to PyTorch on the clouds.

    vocabulary: the words it begins with; nothing = those it was trained with. Raises BadModelPackage, and writes nothing,
    when an engine differs by more than parity.MAX_DIFFERENCE, BadRequest for a tower that the image model cannot give.
    """
    network, config = load_language_network(checkpoint_path)
    backbone = _sparse_unet(network, checkpoint_path).cpu()
    words, table = config.words, load_text_table(checkpoint_path)
    if vocabulary is not None:
        words = load_vocabulary(vocabulary)
        trained_in = table.text_space
        table = embedded_words(config, words)
        _require_space(table.text_space, trained_in)
    files, language = _language(config, table, words.templates, towers)
    manifest = package_manifest(config, table.class_table, card, language)
    model, markdown = onnx_model(backbone, card.name), card_markdown(backbone, config, card)
    compared = read_clouds(clouds)
    return write_compared(
        out,
        model,
        manifest,
        markdown,
        lambda trial: compare_embeddings((backbone, config), table, trial, compared),
        files,
    )


def _sparse_unet(network: PointBackbone, checkpoint_path: Path) -> MinkUNet:
    if not isinstance(network, MinkUNet):
        raise BadModelPackage(
            f"{checkpoint_path}: expected a sparse U-Net ({', '.join(SHAPES)}) in a package of words, found a "
            f"{type(network).__name__}. Train one of those with words."
        )
    return network


def is_language_checkpoint(checkpoint_path: Path) -> bool:
    """Whether a checkpoint is of a network that understands words. Raises BadCheckpoint for none at all."""
    return "vocabulary" in load_checkpoint(checkpoint_path).config


def compare_embeddings(
    network: LanguageNetwork, table: TextTable, package: ModelPackage, clouds: Sequence[PointCloud]
) -> list[Parity]:
    """Embed and label the same clouds by PyTorch and by every CPU engine. Raises BadRequest for clouds out of the grid."""
    parity = []
    expected = [_of_pytorch(network, table, cloud) for cloud in clouds]
    points = sum(int(reached.sum()) for _, _, reached in expected)
    require_points(points)
    for engine in ENGINES:
        segmenter = Segmenter(package, engine)
        largest, same = 0.0, 0
        for cloud, (direction, class_id, reached) in zip(clouds, expected, strict=True):
            found = unit_rows(segmenter.embeddings(cloud)[reached])
            largest = max(largest, float(np.abs(found - direction[reached]).max(initial=0.0)))
            same += int((segmenter.segment(cloud).class_id == class_id)[reached].sum())
        parity.append(Parity(segmenter.engine_name, len(clouds), points, largest, same / points))
    return parity


def _of_pytorch(
    network: LanguageNetwork, table: TextTable, cloud: PointCloud
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every point: its direction (N, C), its class (N,), and whether the network reaches it."""
    rgb = cloud_rgb(cloud)
    xyz_m = cloud.measured_xyz_m()
    scan = (xyz_m, cloud.intensity) if rgb is None else (xyz_m, cloud.intensity, rgb)
    rows, row_of_point = row_embeddings(*network, scan)
    class_id, _ = label_embeddings(rows, table)
    return unit_rows(rows)[row_of_point], class_id[row_of_point], row_of_point >= 0


def _language(
    config: VlgConfig, table: TextTable, templates: tuple[str, ...], towers: Towers
) -> tuple[LanguageFiles, LanguageSpec]:
    """The files of the language, and what the manifest says of them. templates: those the table was embedded in."""
    text, tokenizer, words, context_length, image = None, "none", None, 0, None
    if towers.text or towers.image_size is not None:
        model = open_image_model(config.model)
        _require_space(text_space_of(model.identity()), table.text_space)
        if towers.text:
            text, tokenizer, words, context_length = _text_tower(model)
        if towers.image_size is not None:
            graph = model.image_encoder_onnx(*towers.image_size)
            graph = with_adapter(graph, load_adapter(config)) if towers.adapter else graph
            image = graph.SerializeToString(deterministic=True)
    spec = {
        "text_space": table.text_space,
        "channels": table.channels,
        "logit_scale": table.logit_scale,
        "templates": template_sentences(templates),
        "tokenizer": tokenizer,
        "context_length": context_length,
        "image_size": towers.image_size,
    }
    return LanguageFiles(table, text, words, image), LanguageSpec.model_validate(spec)


def _require_space(found: str, trained_in: str) -> None:
    """Raise BadCheckpoint where the image model is not the one that the network was trained with."""
    if found != trained_in:
        raise BadCheckpoint(
            f"export: expected the image model that the network was trained with, of text space {trained_in}, found one "
            f"of {found}: it has changed since. Export only with the words of the checkpoint, or train with this model."
        )


def _text_tower(model: DenseImageModel) -> tuple[bytes, str, bytes, int]:
    graph, tokenizer, content = model.text_encoder_onnx()
    return graph.SerializeToString(deterministic=True), tokenizer, content, model.context_length
