"""The state of a pre-training run and one step of it, whatever the method."""

import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from lightning.pytorch.utilities.exceptions import SIGTERMException
from matplotlib.figure import Figure
from torch import Tensor

from lidar_vl_core.foundation.errors import BadCheckpoint
from lidar_vl_core.foundation.files import sha256_of
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.norm_momentum import set_norm_momentum
from offline_training.pretraining.base.config import PretrainConfig
from offline_training.pretraining.base.objective import Objective
from offline_training.pretraining.log import PretrainLog, StopWatch, memory_gb
from offline_training.pretraining.schedule import Schedule
from offline_training.pretraining.views.pretrain_batch import PretrainBatch
from offline_training.pretraining.views.two_views import TwoViewBatch
from offline_training.runs.checkpoint import RAW, Checkpoint, save_checkpoint, weights_of
from offline_training.runs.device import uses_cuda
from offline_training.runs.ranks import Ranks, any_rank, average_gradients, mean_over_ranks
from offline_training.runs.state import BadSteps, optimizer_tensors, restore_optimizer


class Pretraining(LightningModule):
    """One run: network, frozen teacher, objective, optimiser and log; `step` is the number of steps done."""

    def __init__(
        self,
        config: PretrainConfig,
        ranks: Ranks,
        schedule: Schedule,
        build_objective: Callable[[PointBackbone, ImageTeacher | None], Objective],
        start: Checkpoint | None,
        draw: Callable[["Pretraining"], Figure | None],
    ) -> None:
        """build_objective: with fresh heads; draw: the picture that tells how far the features are, if any."""
        super().__init__()
        self.automatic_optimization = False  # a step with a NaN must be left out as a whole
        self.config, self.ranks, self.schedule, self.draw = config, ranks, schedule, draw
        self.folder = Path(config.out) / "checkpoints"
        torch.manual_seed(config.seed)  # of the teacher's random weights, which are not stored
        teacher = config.build_teacher()
        self.teacher = (teacher,)  # not a child: it must never be asked to train
        torch.manual_seed(config.seed)  # the same beginning in every process
        self.network = config.build(None)
        if config.norm_momentum is not None and isinstance(self.network, MinkUNet):
            set_norm_momentum(self.network, config.norm_momentum)
        self.objective = build_objective(self.network, teacher)
        if uses_cuda(config) and ranks.count > 1:  # on CPUs each process norms by its own batch: torch has no other
            self.network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(self.network)
        self.trained = [*self.network.parameters(), *self.objective.heads.parameters()]
        self.optimizer = _optimizer(config, self.trained)
        self.step, self.saved_step, self.bad_steps = 0, -1, BadSteps()
        self.teacher_sha256 = None if config.teacher_file is None else sha256_of(config.teacher_file)
        if start is not None:
            self._restore(start)
        self.log_book = None
        if ranks.rank == 0:
            self.log_book = PretrainLog(Path(config.out), config.class_table, self.step)
        self.watch, self._told_to_stop = StopWatch(), False

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The one optimiser; its rate is set step by step."""
        return self.optimizer

    def transfer_batch_to_device(
        self, batch: PretrainBatch | TwoViewBatch, device: torch.device, dataloader_idx: int
    ) -> PretrainBatch | TwoViewBatch:
        """Move a batch."""
        return batch.to(device)

    def on_train_start(self) -> None:
        """Move what Lightning does not know of, and listen for SIGTERM so that all processes stop after one step."""
        for teacher in self.teacher:
            if teacher is not None:
                teacher.to(self.device)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._stop)
        self.watch = StopWatch()

    def training_step(self, batch: PretrainBatch | TwoViewBatch, batch_idx: int) -> None:
        """One step of the optimiser, or none when the loss or its gradient is not finite in any process."""
        self.watch.lap("data")
        rate = self.schedule.learning_rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        state = [*self.network.buffers(), *self.objective.buffers()]
        before = [buffer.clone() for buffer in state]
        losses = self._losses(batch)
        self.optimizer.zero_grad()
        self.manual_backward(losses["loss"])
        average_gradients(self.trained)
        self.watch.lap("backward")
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.trained if p.grad is not None])
        is_bad = not bool(torch.isfinite(norm) & torch.isfinite(losses["loss"]))
        if any_rank(is_bad, self.device):
            for buffer, old in zip(state, before, strict=True):
                buffer.copy_(old)
            self.bad_steps.add(self.step, self.folder)
        else:
            self.optimizer.step()
            self.bad_steps.end_row()
        self.watch.lap("optimizer")
        self._tell(
            batch, losses, {"gradient_norm": float(norm), "learning_rate": rate, "bad_steps": self.bad_steps.count}
        )
        self.step += 1

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ANN401
        """Draw and save when it is time; stop when any process was told to."""
        period = self.config.picture_period
        if self.log_book is not None and period and self.step % period == 0:
            figure = self.draw(self)
            if figure is not None:
                self.log_book.write_picture(self.step, "similarity", figure)
        if self.step % self.config.checkpoint_every == 0 or self.step == self.schedule.end_step:
            self.save()
        if any_rank(self._told_to_stop, self.device):
            raise SIGTERMException

    def save(self) -> Path:
        """Write the state of the run as a checkpoint, unless that was just done or another process does it."""
        if self.saved_step == self.step or self.ranks.rank != 0:
            return self.folder / "last.json"
        tensors = {f"{RAW}.{name}": tensor for name, tensor in self.network.state_dict().items()}
        for name, tensor in self.objective.state_dict().items():
            tensors[name if name.startswith("heads.") else f"objective.{name}"] = tensor
        tensors |= optimizer_tensors(self.optimizer)
        state = {**self.bad_steps.to_state(), "teacher_sha256": self.teacher_sha256}
        self.saved_step = self.step
        return save_checkpoint(self.folder, Checkpoint(self.step, tensors, self.config.model_dump(mode="json"), state))

    def _losses(self, batch: PretrainBatch | TwoViewBatch) -> Mapping[str, Tensor]:
        generator = torch.Generator().manual_seed(_seed_of(self.config.seed, self.step, self.ranks.rank))
        features = self.objective.features(self.network, batch)
        self.watch.lap("backbone")
        (teacher,) = self.teacher
        teacher_map = teacher(batch.rgb()) if teacher is not None and isinstance(batch, PretrainBatch) else None
        self.watch.lap("teacher")
        losses = self.objective(features, teacher_map, batch, self.step, generator)
        self.watch.lap("sampling_and_loss")
        return losses

    def _tell(
        self, batch: PretrainBatch | TwoViewBatch, losses: Mapping[str, Tensor], numbers: Mapping[str, float]
    ) -> None:
        means = mean_over_ranks(losses)
        if self.log_book is None:
            return
        numbers = {**numbers, **batch.numbers(), "memory_gb": memory_gb(), **self.objective.numbers()}
        self.log_book.write_step(self.step, means, numbers, self.watch.seconds())

    def _restore(self, start: Checkpoint) -> None:
        if start.state["teacher_sha256"] != self.teacher_sha256:
            raise BadCheckpoint(
                f"{self.folder}: expected teacher weights of sha256 {start.state['teacher_sha256']}, found "
                f"{self.teacher_sha256}. Give the weights it was trained with, or another `out`."
            )
        self.network.load_state_dict(weights_of(start, RAW))
        heads = {f"heads.{name}": tensor for name, tensor in weights_of(start, "heads").items()}
        self.objective.load_state_dict({**weights_of(start, "objective"), **heads})
        restore_optimizer(self.optimizer, start)
        self.step = self.saved_step = start.step
        self.bad_steps = BadSteps.from_state(start.state)

    def _stop(self, signum: int, frame: Any) -> None:  # noqa: ANN401
        self._told_to_stop = True


def _optimizer(config: PretrainConfig, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    return torch.optim.SGD(parameters, lr=rate, momentum=0.9, dampening=0.1, weight_decay=decay)


def _seed_of(seed: int, step: int, rank: int) -> int:
    """One number for the draws of a step of a process."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)
