"""The training run of stage 3: state, one step, checkpoints; resumes exactly after a kill."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from lidar_vl_core.foundation.errors import BadCheckpoint
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.text_table_file import text_table_bytes
from offline_training.datasets.batches.training_scans import StepSampler
from offline_training.finetuning.segmentation_measurement import SegmentationMeasurement
from offline_training.losses.vlg import constant_cosine_loss, constant_l1_loss, cosine_guidance, l1_guidance
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.runs.backbones import build_backbone, preparer_of
from offline_training.runs.checkpoint import Checkpoint, clean_checkpoint_folder
from offline_training.runs.device import sparse_form_of, torch_set_up
from offline_training.runs.fit import fit, step_batches
from offline_training.runs.resume import checkpoint_to_resume
from offline_training.runs.sharing.only_writer import only_writer
from offline_training.runs.state import give_rate
from offline_training.runs.step_run import Rhythm
from offline_training.runs.validated_run import ValidatedRun
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import target_features
from offline_training.words.features.run_text import read_run_text
from offline_training.words.settings.training_samples import opened
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.guidance.guided_scans import GuidedBatch, GuidedScans, collate_guided
from offline_training.words.stages.guidance.inference import TEXT_TABLE_TENSOR
from offline_training.words.stages.guidance.selection import Measure, measure, trained_scenes

FOLDER = "guide"
_FREE_ON_RESUME = frozenset({"out", "progress", "validation", "extract", "pseudo", "specialise", "self_training"})
_LOSSES = {"cosine": (cosine_guidance, constant_cosine_loss), "l1": (l1_guidance, constant_l1_loss)}


def train_guided(config: VlgConfig, resume: str) -> Path:
    """One run of stage 3, as guide() describes it, without further rounds."""
    with torch_set_up(config.threads), only_writer(Path(config.out) / FOLDER / "checkpoints"):
        run, batches = _prepared(config, resume)
        last = fit(run, batches)
        best = run.checkpoints / "best.json"
        return best if config.guide.select != "last" and best.is_file() else last


def _prepared(config: VlgConfig, resume: str) -> "tuple[Guiding, DataLoader]":
    """The run, new or resumed, and its remaining batches."""
    table, store = read_run_text(config), target_features(config)
    datasets = opened(config, config.train)
    scenes = trained_scenes(config, sum(len(dataset) for dataset in datasets))
    run = Guiding(config, table, store, measure(config, table, datasets), resume)
    batches = step_batches(
        GuidedScans(datasets, store, scenes, config),
        StepSampler(run.step, config.guide.max_steps, config.guide.batch_size),
        partial(
            collate_guided,
            preparer=preparer_of(config, sparse_form_of(config)),
            first_point=config.guide.target == "first_point",
        ),
        config,
    )
    return run, batches


class Guiding(ValidatedRun):
    """A training run of stage 3."""

    config: VlgConfig
    network: PointBackbone

    def __init__(
        self, config: VlgConfig, table: TextTable, store: FeatureStore, measured: Measure | None, resume: str
    ) -> None:
        numbers = config.guide
        rhythm = Rhythm(numbers.max_steps, numbers.checkpoint_every, numbers.validate_every, "guide.max_steps")
        super().__init__(config, Path(config.out) / FOLDER, rhythm)
        self.measured, self.table = measured, table
        clean_checkpoint_folder(self.checkpoints)
        self.network = build_backbone(config, table.channels)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), numbers.learning_rate, weight_decay=numbers.weight_decay
        )
        self.text_bytes = torch.from_numpy(np.frombuffer(text_table_bytes(table), np.uint8).copy())
        self.learnt = {"channels": table.channels, "text_space": table.text_space, "targets": dict(store.identity)}
        start = checkpoint_to_resume(self.checkpoints, config, resume, _FREE_ON_RESUME, ("guide.max_steps",))
        self.begin(start)

    def set_rates(self) -> float:
        """Set the learning rates of the step: polynomial decay to 0."""
        guide = self.config.guide
        rate = guide.learning_rate * (1.0 - self.step / guide.max_steps) ** guide.power
        return give_rate(self.optimizer, rate)

    def losses(self, batch: GuidedBatch) -> dict[str, Tensor]:
        """`loss`, and `better_than_constant`: 1 - loss / loss of the best constant vector for the batch.

        0 means that the network distinguishes nothing.
        Both are scalars.
        """
        of_rows, of_constant = _LOSSES[self.config.guide.loss]
        loss = of_rows(self._embeddings(batch), batch.target)
        with torch.no_grad():
            better = (
                1.0 - loss / of_constant(batch.target).clamp_min(1e-6) if len(batch.target) else torch.zeros_like(loss)
            )
        return {
            "loss": loss,
            "better_than_constant": better,
        }  # the same names for every batch, because ranks exchange them

    def numbers(self, batch: GuidedBatch) -> dict[str, float]:
        """Size of a batch, for the log."""
        return {"rows": batch.inputs.row_count, "guided_rows": len(batch.row)}

    def validation(self) -> SegmentationMeasurement | None:
        """The measure by which the configuration selects weights, if any."""
        if self.measured is None:
            return None
        confusion = self.measured((self.network, self.config), lambda: self.stop.is_asked)
        return None if self.stop.is_asked else SegmentationMeasurement(confusion, self.table.class_table)

    def tensors(self) -> dict[str, Tensor]:
        """Tensors of a checkpoint, with the text table for queries to the network.

        Shapes are those of the parameters.
        """
        return {**super().tensors(), TEXT_TABLE_TENSOR: self.text_bytes}

    def state(self) -> dict[str, Any]:
        """State of a checkpoint, with the identity of the features that the network learns."""
        return {**self.learnt, **super().state()}

    def restore(self, start: Checkpoint) -> None:
        """Restore a checkpoint. Raises BadCheckpoint for a network that learned other features."""
        found = {key: start.state.get(key) for key in self.learnt}
        if found != self.learnt:
            raise BadCheckpoint(
                f"{self.checkpoints}: expected a network trained on the current features, found one trained on others. "
                f"Remove {self.folder} to train it again, or use another `out`."
            )
        super().restore(start)

    def _embeddings(self, batch: GuidedBatch) -> Tensor:
        """(T, C) embeddings of the rows with a target; the head, the widest layer, is computed for these only."""
        head = self.network.head
        features = self.network.point_features(batch.inputs)[batch.row]
        return features if head is None else head(features)
