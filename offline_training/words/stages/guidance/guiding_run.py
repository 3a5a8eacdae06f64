"""The run of stage 3: state, one step, checkpoints; goes on after a kill as if nothing had happened."""

import math
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader

from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadCheckpoint
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.text_table_file import text_table_bytes
from offline_training.datasets.batches.training_scans import StepSampler
from offline_training.losses.vlg import cosine_guidance, l1_guidance
from offline_training.runs.checkpoint import Checkpoint, clean_checkpoint_folder, save_checkpoint
from offline_training.runs.device import sparse_form_of, torch_set_up
from offline_training.runs.log import RunLog
from offline_training.runs.resume import checkpoint_to_resume
from offline_training.runs.start_weights import RAW, weights_of
from offline_training.runs.state import BadSteps, optimizer_tensors, restore_optimizer
from offline_training.runs.step_trainer import step_trainer
from offline_training.words.features.feature_store import FeatureStore, open_features
from offline_training.words.features.run_text import read_run_text
from offline_training.words.settings.training_samples import opened
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.adapter.specialise import COMMAND, SPECIALISED
from offline_training.words.stages.guidance.guided_scans import GuidedBatch, GuidedScans, collate_guided
from offline_training.words.stages.guidance.inference import TEXT_TABLE_TENSOR, LanguageNetwork
from offline_training.words.stages.guidance.selection import measure, trained_scenes

FOLDER = "guide"
_FREE_ON_RESUME = frozenset(
    {"out", "workers", "progress", "validation", "extract", "pseudo", "specialise", "self_training"}
)
_LOSSES = {"cosine": cosine_guidance, "l1": l1_guidance}
_Measure = Callable[[LanguageNetwork], ConfusionMatrix]


@dataclass(frozen=True)
class Guided:
    """What a run left."""

    checkpoint: Path
    is_complete: bool  # false where a SIGTERM ended it


def train_guided(config: VlgConfig, resume: str) -> Guided:
    """One run of stage 3, as guide() describes it, without further rounds."""
    with torch_set_up(config.threads):
        run, loader = _prepared(config, resume)
        with closing(run.log_book):
            if run.step < config.guide.max_steps:
                with suppress(SIGTERMException):
                    step_trainer(config, config.out, config.precision, config.progress).fit(run, loader)
            run.save()
        best = run.folder / "best.json"
        checkpoint = best if config.guide.select != "last" and best.is_file() else run.folder / "last.json"
        return Guided(checkpoint, run.step == config.guide.max_steps)


def target_store(config: VlgConfig) -> FeatureStore:
    """The features that stage 3 learns: specialised, or as they are. Raises BadDataset naming the command that makes them."""
    if not config.specialise.enabled:
        return open_features(config)
    return FeatureStore(Path(config.out) / SPECIALISED, command=COMMAND)


def _prepared(config: VlgConfig, resume: str) -> "tuple[_Guiding, DataLoader]":
    """The run as it begins or goes on, and the batches that are left."""
    table, store = read_run_text(config), target_store(config)
    datasets = opened(config, config.train)
    scenes = trained_scenes(config, sum(len(dataset) for dataset in datasets))
    run = _Guiding(config, table, store, measure(config, table, datasets), resume)
    loader = DataLoader(
        GuidedScans(datasets, store, scenes, config),
        batch_sampler=StepSampler(run.step, config.guide.max_steps, config.guide.batch_size),
        collate_fn=partial(collate_guided, preparer=config.preparer(sparse_form_of(config))),
        num_workers=config.workers,
        # A forked child of a process that has used OpenMP or CUDA is not safe.
        multiprocessing_context="spawn" if config.workers else None,
    )
    return run, loader


class _Guiding(LightningModule):
    """The state of a run and one step of it; `step` is the number of steps done."""

    def __init__(
        self, config: VlgConfig, table: TextTable, store: FeatureStore, measured: _Measure | None, resume: str
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # a step with a NaN must be left out as a whole
        self.config, self.measured = config, measured
        self.folder = Path(config.out) / FOLDER / "checkpoints"
        clean_checkpoint_folder(self.folder)
        torch.manual_seed(config.seed)
        self.network = config.build(table.channels)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), config.guide.learning_rate, weight_decay=config.guide.weight_decay
        )
        self.step, self.saved_step, self.best_score, self.bad_steps = 0, -1, -1.0, BadSteps()
        self.text_bytes = torch.from_numpy(np.frombuffer(text_table_bytes(table), np.uint8).copy())
        self.learnt = {"channels": table.channels, "text_space": table.text_space, "targets": dict(store.identity)}
        start = checkpoint_to_resume(self.folder, config, resume, _FREE_ON_RESUME)
        if start is not None:
            self._restore(start)
        self.log_book = RunLog(self.folder.parent, table.class_table, self.step)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The one optimiser; its rate is set step by step."""
        return self.optimizer

    def transfer_batch_to_device(self, batch: GuidedBatch, device: torch.device, dataloader_idx: int) -> GuidedBatch:
        """Move a batch."""
        return batch.to(device)

    def training_step(self, batch: GuidedBatch, batch_idx: int) -> None:
        """One step of the optimiser, or none when the loss or its gradient is not finite."""
        guide = self.config.guide
        rate = guide.learning_rate * (1.0 - self.step / guide.max_steps) ** guide.power
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(_seed_of(self.config.seed, self.step))  # for dropped layers: a resumed run goes on exactly
        buffers = [buffer.clone() for buffer in self.network.buffers()]
        loss = _LOSSES[guide.loss](self._embeddings(batch), batch.target)
        norm = self._gradient_norm(loss)
        if math.isfinite(norm):
            self.optimizer.step()
            self.bad_steps.end_row()
        else:
            for buffer, before in zip(self.network.buffers(), buffers, strict=True):
                buffer.copy_(before)
            self.bad_steps.add(self.step, self.folder)
        self.log_book.write_step(
            self.step,
            loss=float(loss.detach()),
            gradient_norm=norm,
            learning_rate=rate,
            bad_steps=self.bad_steps.count,
            rows=batch.inputs.row_count,
            guided_rows=len(batch.row),
        )
        self.step += 1

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ANN401
        """Measure and save when it is time."""
        guide, is_last = self.config.guide, self.step == self.config.guide.max_steps
        every = guide.validate_every
        if self.measured is not None and (is_last or (every and self.step % every == 0)):
            self._measure(self.measured)
        elif self.step % guide.checkpoint_every == 0 or is_last:
            self.save()

    def save(self, is_best: bool = False) -> Path:
        """Write the state of the run as a checkpoint, unless that was just done."""
        if self.saved_step == self.step and not is_best:
            return self.folder / "last.json"
        tensors = {f"{RAW}.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= optimizer_tensors(self.optimizer)
        tensors[TEXT_TABLE_TENSOR] = self.text_bytes
        state = {**self.learnt, "best_score": self.best_score, **self.bad_steps.to_state()}
        self.saved_step = self.step
        return save_checkpoint(
            self.folder, Checkpoint(self.step, tensors, self.config.model_dump(mode="json"), state), is_best
        )

    def _embeddings(self, batch: GuidedBatch) -> torch.Tensor:
        """(T, C) embeddings of the rows that have a target; the head, the widest layer, sees no others."""
        head = self.network.head
        features = self.network.point_features(batch.inputs)[batch.row]
        return features if head is None else head(features)

    def _gradient_norm(self, loss: torch.Tensor) -> float:
        """Norm of the gradient, NaN for a loss that is not finite."""
        self.optimizer.zero_grad()
        if not bool(torch.isfinite(loss)):
            return math.nan
        self.manual_backward(loss)
        gradients = [each.grad for each in self.network.parameters() if each.grad is not None]
        return float(torch.nn.utils.get_total_norm(gradients))

    def _measure(self, measured: _Measure) -> None:
        confusion = measured((self.network, self.config))
        self.log_book.write_validation(self.step, confusion)
        score = confusion.mean_iou()
        is_best = math.isfinite(score) and score > self.best_score
        self.best_score = score if is_best else self.best_score
        self.save(is_best)

    def _restore(self, start: Checkpoint) -> None:
        found = {key: start.state.get(key) for key in self.learnt}
        if found != self.learnt:
            raise BadCheckpoint(
                f"{self.folder}: expected a network that learns the features that are there now, found one of "
                f"others. Remove {self.folder.parent} to train it anew, or use another `out`."
            )
        self.network.load_state_dict(weights_of(start, RAW))
        restore_optimizer(self.optimizer, start)
        self.step = self.saved_step = start.step
        self.best_score, self.bad_steps = start.state["best_score"], BadSteps.from_state(start.state)


def _seed_of(run_seed: int, step: int) -> int:
    return int(np.random.SeedSequence([run_seed, step]).generate_state(1)[0])
