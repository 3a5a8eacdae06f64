"""StepRun: what all training runs have in common: one step after the other, a log, and checkpoints to resume from exactly."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor, nn

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.runs.averaged_weights import AveragedWeights
from offline_training.runs.checkpoint import AVERAGED, RAW, Checkpoint, save_checkpoint, weights_of
from offline_training.runs.gradients.parts import Parts
from offline_training.runs.gradients.precision import LossScale, autocast
from offline_training.runs.log import RunLog
from offline_training.runs.ranks import (
    Ranks,
    any_rank,
    are_joined,
    average_gradients,
    largest_over_ranks,
    mean_over_ranks,
)
from offline_training.runs.run_config import AnyRunConfig
from offline_training.runs.state import BadSteps, optimizer_tensors, restore_optimizer
from offline_training.runs.stopping import StopSignals


@dataclass(frozen=True)
class Rhythm:
    """How long a run is, and how often it stops to look or to save; in steps."""

    end_step: int
    checkpoint_every: int
    validate_every: int = 0  # 0 = after the last step alone
    length_key: str = "max_steps"  # of the configuration, that says how long it is


class StepRun(LightningModule, ABC):
    """A run of one network; `step` is the number of optimiser steps done.

    A trainer sets `network` and `optimizer`, says what its losses are and what else its checkpoints keep, and calls
    `begin` at the end of its constructor. Modules that are its children are moved, trained, and put back after a bad step.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    averaged: AveragedWeights | None = None  # of the network, for a trainer that wants them

    def __init__(self, config: AnyRunConfig, folder: Path, rhythm: Rhythm, ranks: Ranks = Ranks()) -> None:  # noqa: B008
        """folder: for the log and checkpoints/. Torch is seeded: networks built next are the same in every process."""
        super().__init__()
        self.automatic_optimization = False  # a step with a NaN must be left out as a whole
        self.config, self.folder, self.rhythm, self.ranks = config, folder, rhythm, ranks
        self.checkpoints = folder / "checkpoints"
        self.step, self.saved_step, self.bad_steps = 0, -1, BadSteps()
        self.log_book: RunLog | None = None  # of the first process alone
        self.stop, self.is_between_steps, self.part = StopSignals(), True, 0
        self.loss_scale = LossScale.of(config.precision)
        torch.manual_seed(config.seed)

    @abstractmethod
    def set_rates(self) -> float:
        """Give the optimiser its learning rate of this step; returns the one for the log."""

    @abstractmethod
    def losses(self, batch: Any) -> Mapping[str, Tensor]:  # noqa: ANN401  a batch of the trainer's own kind
        """Scalar losses of a batch by name, for the log; `loss` is what is minimised."""

    @abstractmethod
    def numbers(self, batch: Any) -> Mapping[str, float]:  # noqa: ANN401
        """What the log tells of a step beside its losses, after it."""

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps, by dotted name; shapes are those of the parameters."""
        tensors = {f"{RAW}.{name}": tensor for name, tensor in self.network.state_dict().items()}
        if self.averaged is not None:
            tensors |= {f"{AVERAGED}.{name}": tensor for name, tensor in self.averaged.weights.items()}
        return tensors | optimizer_tensors(self.optimizer)

    def state(self) -> dict[str, Any]:
        """The small numbers that a checkpoint keeps."""
        return {**self.bad_steps.to_state(), **self.loss_scale.to_state()}

    def restore(self, start: Checkpoint) -> None:
        """Be as the run that wrote a checkpoint was: the opposite of tensors() and state()."""
        self.network.load_state_dict(weights_of(start, RAW))
        if self.averaged is not None:
            self.averaged.weights = weights_of(start, AVERAGED)
        restore_optimizer(self.optimizer, start)
        self.step = self.saved_step = start.step
        self.bad_steps = BadSteps.from_state(start.state)
        self.loss_scale.restore(start.state)

    def begin(self, start: Checkpoint | None) -> None:
        """Resume from a checkpoint where there is one, and open the log. Raises BadConfig."""
        if start is not None:
            if start.step > self.rhythm.end_step:
                raise BadConfig(
                    f"{self.rhythm.length_key}: expected at least the {start.step} steps already done in {self.folder}, "
                    f"found {self.rhythm.end_step}. Give more, or another `out`."
                )
            self.restore(start)
        if self.ranks.rank == 0:
            self.log_book = RunLog(self.folder, self.step)

    @property
    def is_complete(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.rhythm.end_step

    def seed_of_step(self) -> np.random.SeedSequence:
        """Seed of this part of this step and process, so that a resumed run draws exactly the same numbers."""
        later_part = [self.part] if self.part else []
        return np.random.SeedSequence([self.config.seed, self.step, self.ranks.rank, *later_part])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The one optimiser; its rate is set step by step."""
        return self.optimizer

    def transfer_batch_to_device(self, batch: Parts, device: torch.device, dataloader_idx: int) -> Parts:
        """Move a batch."""
        return batch.to(device)

    def on_train_start(self) -> None:
        """Take SIGTERM back from Lightning, so that all processes stop after the same step."""
        self.stop.listen()
        self.catch_up()

    def training_step(self, batch: Parts, batch_idx: int) -> None:
        """One step of the optimiser, or none when the loss or its gradient is not finite in any process."""
        self.is_between_steps = False
        self.part, rate = 0, self.set_rates()
        torch.manual_seed(int(self.seed_of_step().generate_state(1)[0]))  # for dropout
        buffers = [buffer.clone() for buffer in self.buffers()]
        losses = self._gradients_of(batch.parts)
        norm = self.gradient_norm()
        is_loss_bad = any_rank(not bool(torch.isfinite(losses["loss"])), self.device)
        is_bad = is_loss_bad or any_rank(not math.isfinite(norm), self.device)
        if is_bad:
            self._put_back(buffers)
        else:
            self._take_step()
        if is_bad and (is_loss_bad or not self.loss_scale.can_shrink):  # else the scale was too large, and no data bad
            self.bad_steps.add(self.step, self.checkpoints)
        self.loss_scale.update(is_bad)
        told = {"gradient_norm": norm, "learning_rate": rate, "bad_steps": self.bad_steps.count}
        means = mean_over_ranks(losses)
        if self.log_book is not None:
            self.log_book.write_step(
                self.step, **means, **told, **self.loss_scale.numbers(), **self.numbers(batch.parts[-1])
            )
        self.step += 1
        self.is_between_steps = True

    def _gradients_of(self, parts: Sequence[Any]) -> dict[str, Tensor]:
        """Mean losses of the parts of a batch; the gradient of their mean times the loss scale is in the parameters then."""
        self.optimizer.zero_grad()
        sums: dict[str, Tensor] = {}
        for self.part, part in enumerate(parts):
            with autocast(self.config.precision, self.device):
                losses = self.losses(part)
            sums = {name: loss.detach() / len(parts) + sums.get(name, 0.0) for name, loss in losses.items()}
            if not are_joined() and not bool(torch.isfinite(losses["loss"])):  # others would wait for the gradient
                break
            self.manual_backward(losses["loss"] * (self.loss_scale.value / len(parts)))
        return sums

    def gradient_norm(self) -> float:
        """Norm of the gradient, averaged over the processes and without the loss scale; not finite where a loss is not."""
        average_gradients(self.parameters())
        gradients = [each.grad for each in self.parameters() if each.grad is not None]
        self.loss_scale.take_out(gradients)
        return float(torch.nn.utils.get_total_norm(gradients))

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ANN401
        """Save and evaluate when due. Raises SIGTERMException when any process was told to stop."""
        self.after_step()
        asked = largest_over_ranks(self.stop.signum, self.device)
        if asked:  # a signal that came while the others were asked counts after the next step, for all of them
            self.stop.signum = asked
            raise SIGTERMException

    def catch_up(self) -> None:
        """Do what a stopped run left undone after its last step: nothing."""

    def after_step(self) -> None:
        """Save when it is time."""
        if self.is_complete or self.step % self.rhythm.checkpoint_every == 0:
            self.save()

    def save(self, is_best: bool = False) -> Path:
        """Write the state of the run as a checkpoint, unless that was just done or another process does it."""
        if self.ranks.rank != 0 or (self.saved_step == self.step and not is_best):
            return self.checkpoints / "last.json"
        self.saved_step = self.step
        checkpoint = Checkpoint(self.step, self.tensors(), self.config.model_dump(mode="json"), self.state())
        return save_checkpoint(self.checkpoints, checkpoint, is_best)

    def _take_step(self) -> None:
        self.optimizer.step()
        if self.averaged is not None:
            self.averaged.update(self.network, self.step)
        self.bad_steps.end_row()

    def _put_back(self, buffers: list[Tensor]) -> None:
        """Norms and other statistics as they were before the step."""
        for buffer, before in zip(self.buffers(), buffers, strict=True):
            buffer.copy_(before)
