"""Classifies the points of a scene with a trained run: by its 3D network, averaged image features, or the more confident of the two."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadCheckpoint, BadRequest
from lidar_vl_core.words.text_table import TextTable, label_cosines, require_width, unit_rows
from lidar_vl_core.words.text_table_file import text_table_of_bytes
from offline_training.datasets.base.sample import Sample
from offline_training.networks.base.point_backbone import PointBackbone, Scan
from offline_training.runs.backbones import build_backbone, inputs_of_scan
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.resume import stored_config
from offline_training.runs.start_weights import take_weights
from offline_training.words.scenes.scene_features import SceneFeatures
from offline_training.words.settings.question import Mode
from offline_training.words.settings.training_samples import scan_of
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.guidance.guide_augment import turned

LanguageNetwork = tuple[PointBackbone, VlgConfig]
TEXT_TABLE_TENSOR = "text_table"  # name in a checkpoint of the bytes of the run's text_table.npz
_BLOCK_ROWS = 8192


@dataclass(frozen=True, eq=False)
class PointAnswers:
    """An answer for every point of a cloud."""

    class_id: np.ndarray  # (N,) uint8, 255 = none
    probability: np.ndarray  # (N,) float32, 0 = no answer
    of_pictures: np.ndarray  # (N,) bool: answered by image features


@dataclass(frozen=True, eq=False)
class _Answers:
    """Classes of rows or points, and their cosine to the best prompt."""

    class_id: np.ndarray
    probability: np.ndarray
    best_cosine: np.ndarray  # -inf without a feature

    def of_points(self, row_of_point: np.ndarray) -> "_Answers":
        """The answers of points, given their rows; row -1 has none."""
        class_id = np.append(self.class_id, np.uint8(IGNORE_ID))[row_of_point]
        probability = np.append(self.probability, np.float32(0.0))[row_of_point]
        return _Answers(class_id, probability, np.append(self.best_cosine, -np.inf)[row_of_point])


def load_language_network(checkpoint_path: Path) -> LanguageNetwork:
    """The network of a checkpoint of `guide` (a JSON file, or a folder's last), in evaluation mode, and its configuration.

    Raises BadCheckpoint.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    if "channels" not in checkpoint.state:
        raise BadCheckpoint(
            f"{checkpoint_path}: expected a checkpoint of `lidar-vl-train guide`, found one of another command. "
            "Give one from OUT/guide/checkpoints."
        )
    config = stored_config(VlgConfig, checkpoint.config, str(checkpoint_path))
    network = build_backbone(config, int(checkpoint.state["channels"]))
    take_weights(network, checkpoint, checkpoint_path)
    return network.eval(), config


def load_text_table(checkpoint_path: Path) -> TextTable:
    """The text table a run was trained with, from its checkpoint. Raises BadCheckpoint."""
    checkpoint = load_checkpoint(checkpoint_path)
    if TEXT_TABLE_TENSOR not in checkpoint.tensors:
        raise BadCheckpoint(
            f"{checkpoint_path}: expected a checkpoint of `lidar-vl-train guide` with its text table, found no table."
        )
    return text_table_of_bytes(checkpoint.tensors[TEXT_TABLE_TENSOR].numpy().tobytes(), str(checkpoint_path))


def row_embeddings(network: PointBackbone, config: VlgConfig, scan: Scan) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (R, C) float32 of the network's rows, and the row of each point (N,) int64, -1 = none."""
    was_training, device = network.training, next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        inputs = inputs_of_scan(config, scan, device)
        rows = network(inputs).float().cpu().numpy()
    network.train(was_training)
    return rows, inputs.row_of_point.cpu().numpy()


def point_embeddings(network: PointBackbone, config: VlgConfig, scan: Scan) -> np.ndarray:
    """(N, C) float32 sum of each point's embeddings over config.guide.test_passes random rotations; zeros for points without a row.

    The logits of the sum are the sum of the logits, which the authors compute, so the class is the same.
    Raises ValueError for 0 passes.
    """
    total: np.ndarray | None = None
    for number in range(config.guide.test_passes):
        rng = np.random.default_rng([config.seed, 5, number])
        rows, row_of_point = row_embeddings(network, config, turned(scan, config.guide.augment == "outdoor", rng))
        passed = np.concatenate([rows, np.zeros((1, rows.shape[1]), rows.dtype)])[row_of_point]
        total = passed if total is None else total + passed
    if total is None:
        raise ValueError("test_passes: expected at least 1, found 0")
    return total


def predict_scene(
    mode: Mode,
    sample: Sample,
    table: TextTable,
    network: LanguageNetwork | None = None,
    features: SceneFeatures | None = None,
) -> PointAnswers:
    """The class of every point of a scene.

    2d: by its image features (raw, or specialised if the caller applied the adapter); 3d: by the network's embedding;
    ensemble: per point by the one with the higher cosine to its best prompt, the network on ties (OpenScene). A class's
    logit is that of its best prompt, so the length of a feature does not change the class. Points without an answer get
    255. The scene is processed once, unchanged, or in config.guide.test_passes random rotations. Raises BadRequest if a
    mode lacks its network or features.
    """
    answers = []
    if mode != "2d":
        if network is None:
            raise BadRequest(f"mode {mode}: expected a 3D network, found none. Load one with load_language_network().")
        answers.append(_answers_of_network(network, scan_of(sample, network[1]), table))
    if mode != "3d":
        if features is None:
            raise BadRequest(
                f"mode {mode}: expected image features of {sample.name}, found none. Run extract-features first, and pass them."
            )
        features.require_fits(sample)
        answers.append(_answers(features.feature, table).of_points(features.row_of_point))
    first, second = answers[0], answers[-1]
    chosen = (
        second.best_cosine > first.best_cosine if mode == "ensemble" else np.full(len(first.class_id), mode == "2d")
    )
    class_id = np.where(chosen, second.class_id, first.class_id)
    probability = np.where(chosen, second.probability, first.probability)
    return PointAnswers(class_id, probability, chosen & (class_id != IGNORE_ID))


def _answers_of_network(network: LanguageNetwork, scan: Scan, table: TextTable) -> _Answers:
    if network[1].guide.test_passes == 1:
        rows, row_of_point = row_embeddings(*network, scan)
        return _answers(rows, table).of_points(row_of_point)
    summed = point_embeddings(*network, scan)
    reached = np.flatnonzero(summed.any(axis=1))
    row_of_point = np.full(len(summed), -1)
    row_of_point[reached] = np.arange(len(reached))
    return _answers(summed[reached], table).of_points(row_of_point)


def _answers(rows: np.ndarray, table: TextTable) -> _Answers:
    """Classes of rows (M, C), by the same rule as in the core."""
    require_width(rows, table)
    parts = []
    for first in range(0, max(len(rows), 1), _BLOCK_ROWS):
        cosine = unit_rows(rows[first : first + _BLOCK_ROWS]) @ table.embeddings.T
        best = np.nan_to_num(cosine.max(axis=1, initial=-np.inf), nan=-np.inf)
        parts.append((*label_cosines(cosine, table), best))
    return _Answers(*(np.concatenate(column) for column in zip(*parts, strict=True)))
