"""Supervised segmentation: from labelled scans to checkpoints; goes on after a kill as if nothing had happened."""

import logging
import math
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from lightning.pytorch.utilities.exceptions import SIGTERMException

from offline_training.datasets.batches.collate import Batch
from offline_training.datasets.batches.training_scans import TrainingScans, class_weights, labelled_scan
from offline_training.datasets.data_sources import open_source
from offline_training.finetuning.config import FREE_ON_RESUME, FinetuneConfig
from offline_training.finetuning.evaluate import build_network, confusion_on
from offline_training.finetuning.linear_probe import FeatureRows, freeze_backbone, frozen_features, head_of
from offline_training.finetuning.optimisation import build_optimizer, set_rates
from offline_training.finetuning.training_batches import training_batches
from offline_training.losses.segmentation import cross_entropy, lovasz_softmax
from offline_training.runs.averaged_weights import AveragedWeights
from offline_training.runs.checkpoint import Checkpoint, clean_checkpoint_folder, save_checkpoint
from offline_training.runs.device import torch_set_up, uses_cuda
from offline_training.runs.log import RunLog
from offline_training.runs.resume import checkpoint_to_resume
from offline_training.runs.start_weights import AVERAGED, RAW, begin_with, weights_of
from offline_training.runs.state import BadSteps, optimizer_tensors, restore_optimizer
from offline_training.runs.step_trainer import step_trainer

_log = logging.getLogger(__name__)


def finetune(config: FinetuneConfig, resume: str = "auto") -> Path:
    """Train as configured and return the last checkpoint; torch's settings are afterwards as they were before.

    resume: "auto" goes on where `out` has a checkpoint, "never" refuses to touch one, "previous" and "best" go on from those.
    A SIGTERM ends the run with a checkpoint. Raises BadCheckpoint, BadConfig, BadDataset.
    """
    with torch_set_up(config.threads):
        return _finetune(config, resume)


def _finetune(config: FinetuneConfig, resume: str) -> Path:
    uses_cuda(config)
    folder = Path(config.out) / "checkpoints"
    clean_checkpoint_folder(folder)
    sources = [open_source(source, config.class_table, os.cpu_count() or 1) for source in config.train]
    scans = TrainingScans(
        sources,
        [source.weight for source in config.train],
        config.augment,
        config.max_points,
        config.seed,
        None if config.epochs is None else config.batch_size,
    )
    config = _with_steps(config, scans.scan_count())
    start = checkpoint_to_resume(folder, config, resume, FREE_ON_RESUME)
    run = _Finetuning(config, folder, scans, start)
    with closing(run.log_book):
        if run.step < config.max_steps:
            try:
                step_trainer(config, config.out, config.precision, config.progress).fit(
                    run, training_batches(config, scans, run.network, run.step)
                )
            except SIGTERMException:
                return run.save()
        return run.save()


def _with_steps(config: FinetuneConfig, scan_count: int) -> FinetuneConfig:
    """The configuration with the number of steps that its epochs make; no scan is left out, the last batch is filled up."""
    if config.epochs is None:
        return config
    return config.model_copy(update={"max_steps": math.ceil(config.epochs * scan_count / config.batch_size)})


class _Finetuning(LightningModule):
    """The state of a run and one step of it."""

    class_weight: torch.Tensor

    def __init__(self, config: FinetuneConfig, folder: Path, scans: TrainingScans, start: Checkpoint | None) -> None:
        super().__init__()
        self.automatic_optimization = False  # a step with a NaN must be left out as a whole
        self.config, self.folder = config, folder
        torch.manual_seed(config.seed)
        self.network = build_network(config)
        begun = None
        if start is None and config.start_from is not None:
            begun = begin_with(self.network, Path(config.start_from), config.classes, config)
            _log.log(logging.WARNING if begun.left_there or begun.other_inputs else logging.INFO, begun.told())
        if config.probe:
            freeze_backbone(self.network)
        self.averaged = AveragedWeights(self.network, config.ema_decay) if config.ema_decay > 0 else None
        self.optimizer = build_optimizer(config, self.network)
        self.step, self.saved_step, self.best_score, self.bad_steps = 0, -1, -1.0, BadSteps()
        if start is None:
            weights = class_weights(
                scans, config.class_weight_scans, len(config.class_table), config.class_weight_power
            )
            self.register_buffer("class_weight", torch.from_numpy(weights))
        else:
            self.register_buffer("class_weight", start.tensors["class_weight"])
            self._restore(start)
        self.log_book = RunLog(Path(config.out), config.class_table, self.step)
        if begun is not None:
            self.log_book.write_start(begun)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The one optimiser; its rate is set step by step."""
        return self.optimizer

    def transfer_batch_to_device(
        self, batch: Batch | FeatureRows, device: torch.device, dataloader_idx: int
    ) -> Batch | FeatureRows:
        """Move a batch."""
        return batch.to(device)

    def training_step(self, batch: Batch | FeatureRows, batch_idx: int) -> None:
        """One step of the optimiser, or none when the loss or its gradient is not finite."""
        rate = set_rates(self.optimizer, self.config, self.step)
        torch.manual_seed(_seed_of(self.config.seed, self.step))  # for dropout: a resumed run goes on exactly
        buffers = [buffer.clone() for buffer in self.network.buffers()]
        logits = self._scores(batch)
        entropy = cross_entropy(logits.float(), batch.row_class, self.class_weight, self.config.label_smoothing)
        lovasz = lovasz_softmax(logits, batch.row_class)
        loss = entropy + self.config.lovasz_weight * lovasz
        norm = self._gradient_norm(loss)
        if math.isfinite(norm):
            self.optimizer.step()
            if self.averaged is not None:
                self.averaged.update(self.network, self.step)
            self.bad_steps.end_row()
        else:
            for buffer, before in zip(self.network.buffers(), buffers, strict=True):
                buffer.copy_(before)
            self.bad_steps.add(self.step, self.folder)
        self.log_book.write_step(
            self.step,
            loss=float(loss.detach()),
            cross_entropy=float(entropy.detach()),
            lovasz=float(lovasz.detach()),
            gradient_norm=norm,
            learning_rate=rate,
            bad_steps=self.bad_steps.count,
            rows=len(logits),
        )
        self.step += 1

    def _scores(self, batch: Batch | FeatureRows) -> torch.Tensor:
        """(R, K) scores of the rows; when probing, the gradient reaches the head alone."""
        if isinstance(batch, FeatureRows):
            return head_of(self.network)(batch.features)
        if self.config.probe:
            return head_of(self.network)(frozen_features(self.network, batch))
        return self.network(batch.inputs)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ANN401
        """Validate and save when it is time."""
        is_last = self.step == self.config.max_steps
        if self.config.validation and (self.step % self.config.validate_every == 0 or is_last):
            self._validate()
        elif self.step % self.config.checkpoint_every == 0 or is_last:
            self.save()

    def save(self, is_best: bool = False) -> Path:
        """Write the state of the run as a checkpoint, unless that was just done."""
        if self.saved_step == self.step and not is_best:
            return self.folder / "last.json"
        tensors = {f"{RAW}.{name}": tensor for name, tensor in self.network.state_dict().items()}
        if self.averaged is not None:
            tensors |= {f"{AVERAGED}.{name}": tensor for name, tensor in self.averaged.weights.items()}
        tensors |= optimizer_tensors(self.optimizer)
        tensors["class_weight"] = self.class_weight
        state = {"best_score": self.best_score, **self.bad_steps.to_state()}
        checkpoint = Checkpoint(self.step, tensors, self.config.model_dump(mode="json"), state)
        self.saved_step = self.step
        return save_checkpoint(self.folder, checkpoint, is_best)

    def _restore(self, start: Checkpoint) -> None:
        self.network.load_state_dict(weights_of(start, RAW))
        if self.averaged is not None:
            self.averaged.weights = weights_of(start, AVERAGED)
        restore_optimizer(self.optimizer, start)
        self.step = self.saved_step = start.step
        self.best_score, self.bad_steps = start.state["best_score"], BadSteps.from_state(start.state)

    def _gradient_norm(self, loss: torch.Tensor) -> float:
        """Gradient of the loss, clipped; returns its norm before, NaN for a loss that is not finite."""
        self.optimizer.zero_grad()
        if not bool(torch.isfinite(loss)):
            return math.nan
        self.manual_backward(loss)
        return float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_norm))

    def _validate(self) -> None:
        network = self.network
        if self.averaged is not None:
            network = self.averaged.network_like(self.network)
        datasets = [open_source(source, self.config.class_table) for source in self.config.validation]
        scans = (labelled_scan(dataset[i]) for dataset in datasets for i in range(len(dataset)))
        confusion = confusion_on(network, self.config, scans, self.device, lambda: self.trainer.received_sigterm)
        if self.trainer.received_sigterm:
            return
        score = confusion.mean_iou()
        self.log_book.write_validation(self.step, confusion)
        is_best = math.isfinite(score) and score > self.best_score
        self.best_score = score if is_best else self.best_score
        self.save(is_best)


def _seed_of(run_seed: int, step: int) -> int:
    return int(np.random.SeedSequence([run_seed, step]).generate_state(1)[0])
