"""The fourth stage: what the features of the pre-trained backbone are worth, as far as that can be said. Reads files."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.files import write_bytes
from offline_training.datasets.augment.point_augment import LabelledScan
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.batches.collate import row_class
from offline_training.datasets.data_sources import open_source
from offline_training.finetuning.frozen_encoder import Encoder
from offline_training.from_bags.asked import Asked
from offline_training.from_bags.probe.feature_image import feature_image
from offline_training.from_bags.probe.measures import effective_rank, joined, linear_probe, repeatability
from offline_training.from_bags.probe.sweeps import probed_sweeps
from offline_training.pretraining.base.config import PretrainConfig
from offline_training.weak_labels.store.label_store import LabelStore

_TRAIN_SWEEPS, _HELD_OUT_SWEEPS = 40, 20
_MOST_ROWS = 60_000  # of the linear probe, each for training and for the judgement
_POINTS = 1500  # of a sweep, for repeatability
_RANK_ROWS = 5000

Labels = Literal["truth", "weak classes", "none"]


@dataclass(frozen=True)
class _Known:
    """What is known of the points' classes."""

    labels: Labels
    names: tuple[str, ...]
    store: Path | None


def probe_features(
    asked: Asked, config: PretrainConfig, checkpoint: Path, checked: dict[str, Any], store: Path | None
) -> dict[str, Any]:
    """Compare the pre-trained network with its own random weights on the held-out clouds; writes features.png.

    store: weak labels with classes. Returns JSON values: what was measured, by network, and on what.
    """
    known = _known(asked, config, store)
    train = _sweeps(asked, config, checked, "train", known)
    held_out = _sweeps(asked, config, checked, "held_out", known)
    found: dict[str, Any] = {
        "labels": known.labels,
        "train_sweeps": len(train),
        "held_out_sweeps": len(held_out),
        "feature_channels": 0,
    }
    drawn: dict[str, Tensor] = {}
    for name, weights in (("pretrained", checkpoint), ("fresh", None)):
        encoder = Encoder(config, weights, config.seed)
        found[name], rows = _measured(encoder, train, held_out, known)
        found["feature_channels"] = rows.shape[1]
        drawn[name] = rows
    image = feature_image(held_out[0].xyz_m, {"pre-trained": drawn["pretrained"], "random weights": drawn["fresh"]})
    write_bytes(asked.folder / "features.png", image)
    return found


def _known(asked: Asked, config: PretrainConfig, store: Path | None) -> _Known:
    if asked.label_field is not None:
        return _Known("truth", config.class_table.names, None)
    if store is not None:
        return _Known("weak classes", LabelStore(store).class_names, store)
    return _Known("none", (), None)


def _sweeps(
    asked: Asked, config: PretrainConfig, checked: dict[str, Any], part: str, known: _Known
) -> list[LabelledScan]:
    """Sweeps of all bags: as many of each."""
    most = _TRAIN_SWEEPS if part == "train" else _HELD_OUT_SWEEPS
    each = max(1, most // len(asked.bags))
    sources: list[SampleSource] = []
    for bag in checked["bags"]:
        places = bag[part][:: max(1, len(bag[part]) // each)][
            :each
        ]  # a bag is read once, what is not asked for is not kept
        source = asked.source(bag["bag"], places, with_truth=known.labels == "truth")
        sources.append(open_source(source, config.class_table))
    return [scan for source in sources for scan in probed_sweeps(source, known.store, each)]


def _measured(
    encoder: Encoder, train: Sequence[LabelledScan], held_out: Sequence[LabelledScan], known: _Known
) -> tuple[dict[str, Any], Tensor]:
    """Figures of one network, and the features of the points of the first held-out sweep, NaN out of the grid."""
    rng = np.random.default_rng(0)
    all_rows, hits, first = [], [], torch.empty(0)
    tested: list[tuple[Tensor, np.ndarray]] = []
    for number, scan in enumerate(held_out):
        told = encoder.features(scan.xyz_m, scan.intensity)
        all_rows.append(told.rows)
        hits.append(_repeated(encoder, scan, told.rows, told.row_of_point, rng))
        if number == 0:
            first = _of_points(told.rows, told.row_of_point)
        tested.append((told.rows, _classes(scan, told.row_of_point, len(told.rows), known)))
    rows = torch.cat(all_rows)
    chosen = torch.from_numpy(rng.permutation(len(rows))[:_RANK_ROWS])
    found = {"effective_rank": effective_rank(rows[chosen]), "repeatability": float(np.mean(hits))}
    return found | _classified(encoder, train, tested, known), first


def _classified(
    encoder: Encoder, train: Sequence[LabelledScan], tested: Sequence[tuple[Tensor, np.ndarray]], known: _Known
) -> dict[str, Any]:
    """Mean IoU and IoU by class of the linear probe; nothing without classes in both parts."""
    if known.labels == "none":
        return {}
    learned = []
    for scan in train:
        told = encoder.features(scan.xyz_m, scan.intensity)
        learned.append((told.rows, _classes(scan, told.row_of_point, len(told.rows), known)))
    (rows, class_id), (test_rows, test_class_id) = joined(learned, _MOST_ROWS), joined(tested, _MOST_ROWS)
    if not len(class_id) or not len(test_class_id):
        return {}
    confusion = linear_probe(
        rows, torch.from_numpy(class_id.astype(np.int64)), test_rows, test_class_id, len(known.names)
    )
    return {
        "mean_iou": confusion.mean_iou(),
        "iou": _by_name(confusion, known.names),
        "judged_rows": len(test_class_id),
    }


def _by_name(confusion: ConfusionMatrix, names: tuple[str, ...]) -> dict[str, float]:
    """IoU of the classes that occur."""
    return {name: float(iou) for name, iou in zip(names, confusion.iou(), strict=True) if not math.isnan(iou)}


def _classes(scan: LabelledScan, row_of_point: np.ndarray, rows: int, known: _Known) -> np.ndarray:
    return row_class(scan.class_id, row_of_point, rows, max(1, len(known.names)))


def _of_points(rows: Tensor, row_of_point: np.ndarray) -> Tensor:
    """(N, C), NaN for points without a row."""
    nothing = torch.full((1, rows.shape[1]), torch.nan)
    return torch.cat([rows, nothing])[torch.from_numpy(row_of_point)]


def _repeated(
    encoder: Encoder, scan: LabelledScan, rows: Tensor, row_of_point: np.ndarray, rng: np.random.Generator
) -> float:
    """Repeatability between a sweep and a copy turned by an angle that no grid hides."""
    angle = rng.uniform(0.3, 1.2)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]], np.float32)
    turned = encoder.features((scan.xyz_m @ turn.T).astype(np.float32), scan.intensity)
    seen = np.flatnonzero((row_of_point >= 0) & (turned.row_of_point >= 0))
    points = rng.permutation(seen)[:_POINTS]
    one, other = (
        rows[torch.from_numpy(row_of_point[points])],
        turned.rows[torch.from_numpy(turned.row_of_point[points])],
    )
    return repeatability(one, other, scan.xyz_m[points])
