"""The training run of any pre-training method: a frozen teacher, an objective with its heads, and the time of each stage."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
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
from offline_training.pretraining.base.occupancy import OccupancyTask
from offline_training.pretraining.losses_of_sources import losses_of_sources
from offline_training.pretraining.schedule import Schedule
from offline_training.pretraining.several_sources import StepSources
from offline_training.pretraining.stop_watch import StopWatch, memory_gb
from offline_training.pretraining.views.pretrain_batch import PretrainBatch
from offline_training.pretraining.views.two_views import TwoViewBatch
from offline_training.runs.backbones import build_backbone
from offline_training.runs.checkpoint import Checkpoint, load_checkpoint, weights_of
from offline_training.runs.device import uses_cuda
from offline_training.runs.ranks import Ranks
from offline_training.runs.start_weights import StartWeights, begin_with
from offline_training.runs.state import give_rate
from offline_training.runs.step_run import Rhythm, StepRun

_log = logging.getLogger(__name__)


class Pretraining(StepRun):
    """A pre-training run."""

    config: PretrainConfig
    network: PointBackbone

    def __init__(
        self,
        config: PretrainConfig,
        ranks: Ranks,
        schedule: Schedule,
        build_objective: Callable[[PointBackbone, ImageTeacher | None], Objective],
        start: Checkpoint | None,
        draw: Callable[["Pretraining"], Figure | None],
        step_sources: StepSources,
    ) -> None:
        """build_objective: returns the objective with new heads; draw: writes the progress figure."""
        torch.manual_seed(config.seed)  # seed of the teacher's random weights, which are not stored
        teacher = config.build_teacher()
        length_key = "epochs" if config.max_steps is None else "max_steps"
        rhythm = Rhythm(schedule.end_step, config.checkpoint_every, length_key=length_key)
        super().__init__(config, Path(config.out), rhythm, ranks)
        self.schedule, self.draw, self.watch, self.step_sources = schedule, draw, StopWatch(), step_sources
        self.losses_of_sources: dict[str, float] = {}
        self.teacher = (teacher,)  # not a child module: it must never be put in training mode
        self.network = build_backbone(config, None)
        if config.norm_momentum is not None and isinstance(self.network, MinkUNet):
            set_norm_momentum(self.network, config.norm_momentum)
        self.objective = build_objective(self.network, teacher)
        # after them, so that network and heads are the same with and without the task
        self.occupancy = None
        if config.occupancy is not None:
            self.occupancy = OccupancyTask(self.network.feature_channels, config.occupancy.weight)
        if (
            uses_cuda(config) and ranks.count > 1
        ):  # on CPUs each process normalises by its own batch: torch has no alternative
            self.network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(self.network)
        trained = [self.network, self.objective.heads, *([] if self.occupancy is None else [self.occupancy])]
        self.optimizer = _optimizer(config, [each for module in trained for each in module.parameters()])
        self.teacher_sha256 = None if config.teacher_file is None else sha256_of(config.teacher_file)
        if start is None and config.start_from is not None:
            self._begin_with(Path(config.start_from))
        self.begin(start)

    def on_train_start(self) -> None:
        """Move to the device what Lightning does not know of."""
        super().on_train_start()
        for teacher in self.teacher:
            if teacher is not None:
                teacher.to(self.device)
        self.watch = StopWatch()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # noqa: ANN401
        """Record the time since the last step as time spent on the batch."""
        self.watch.lap("data")

    def set_rates(self) -> float:
        """Set the learning rates of the step: half a cosine to its final share."""
        return give_rate(self.optimizer, self.schedule.learning_rate(self.step))

    def losses(self, batch: PretrainBatch | TwoViewBatch) -> Mapping[str, Tensor]:
        """The losses of the objective, scalars by name."""
        seed = int(self.seed_of_step().generate_state(1, np.uint64)[0] >> 1)
        if self.part > 0:
            self.watch.lap("backward")  # of the part before
        features = self.objective.features(self.network, batch)
        self.watch.lap("backbone")
        (teacher,) = self.teacher
        teacher_map = teacher(batch.rgb()) if teacher is not None and isinstance(batch, PretrainBatch) else None
        self.watch.lap("teacher")
        if self.part == 0:
            scans_of = self.step_sources.of_first_batch(self.step)
            self.losses_of_sources = losses_of_sources(
                self.objective, features, teacher_map, batch, self.step, scans_of
            )
        losses = self.objective(features, teacher_map, batch, self.step, torch.Generator().manual_seed(seed))
        if self.occupancy is not None and batch.inputs.queries is not None:
            losses = self.occupancy.added(losses, self.objective.of_inputs(features), batch.inputs.queries)
        self.watch.lap("sampling_and_loss")
        return losses

    def gradient_norm(self) -> float:
        """The gradient norm; the time since the loss is recorded as the backward pass."""
        norm = super().gradient_norm()
        self.watch.lap("backward")
        return norm

    def numbers(self, batch: PretrainBatch | TwoViewBatch) -> dict[str, float]:
        """Numbers of a step for the log: batch, memory, objective, and seconds of each stage."""
        self.watch.lap("optimizer")
        of_batch = {**batch.numbers(), **self.step_sources.counts(self.step), **self.losses_of_sources}
        return {**of_batch, "memory_gb": memory_gb(), **self.objective.numbers(), **self.watch.seconds()}

    def after_step(self) -> None:
        """Draw the progress figure when due."""
        period = self.config.picture_period
        if self.log_book is not None and period and self.step % period == 0:
            figure = self.draw(self)
            if figure is not None:
                self.log_book.write_picture(self.step, "similarity", figure)
        super().after_step()

    def tensors(self) -> dict[str, Tensor]:
        """Tensors of a checkpoint, with the objective's heads and state. Shapes are those of the modules."""
        of_objective = {
            name if name.startswith("heads.") else f"objective.{name}": tensor
            for name, tensor in self.objective.state_dict().items()
        }
        of_occupancy = {} if self.occupancy is None else self.occupancy.state_dict(prefix="occupancy.")
        return {**super().tensors(), **of_objective, **of_occupancy}

    def state(self) -> dict[str, Any]:
        """State of a checkpoint, with the hash of the teacher, whose weights are not stored."""
        return {**super().state(), "teacher_sha256": self.teacher_sha256}

    def _begin_with(self, path: Path) -> None:
        """Load the network of another run, and matching tensors of its heads and objective; the optimiser starts afresh."""
        weights = begin_with(self.network, path, self.config.classes, self.config)
        checkpoint = load_checkpoint(path)
        heads = {f"heads.{name}": tensor for name, tensor in weights_of(checkpoint, "heads").items()}
        offered = {**heads, **weights_of(checkpoint, "objective")}
        taken, fresh = _take(self.objective, offered)
        if self.occupancy is not None:
            more, fresh_there = _take(self.occupancy, weights_of(checkpoint, "occupancy"))
            taken, fresh = taken + more, [*fresh, *(f"occupancy.{name}" for name in fresh_there)]
        self.step = self.config.start_epoch * self.schedule.steps_per_epoch
        _log.warning(_told(weights, taken, fresh))

    def restore(self, start: Checkpoint) -> None:
        """Restore a checkpoint. Raises BadCheckpoint for a run with another teacher."""
        if start.state["teacher_sha256"] != self.teacher_sha256:
            raise BadCheckpoint(
                f"{self.checkpoints}: expected teacher weights with sha256 {start.state['teacher_sha256']}, found "
                f"{self.teacher_sha256}. Use the weights it was trained with, or another `out`."
            )
        super().restore(start)
        heads = {f"heads.{name}": tensor for name, tensor in weights_of(start, "heads").items()}
        self.objective.load_state_dict({**weights_of(start, "objective"), **heads})
        if self.occupancy is not None:
            self.occupancy.load_state_dict(weights_of(start, "occupancy"))


def _take(module: torch.nn.Module, offered: Mapping[str, Tensor]) -> tuple[int, list[str]]:
    """Load matching tensors; returns their number, and the names of those left unchanged."""
    own = module.state_dict()
    taken = {name: offered[name] for name in own if name in offered and offered[name].shape == own[name].shape}
    module.load_state_dict({**own, **taken})
    return len(taken), [name for name in own if name not in taken]


def _told(weights: StartWeights, taken: int, fresh: list[str]) -> str:
    """The line for the log on which weights were loaded."""
    of_objective = f"{taken} tensors of heads and distributions, newly initialised: {', '.join(fresh[:4]) or 'none'}"
    return f"{weights.told()}; {of_objective}"


def _optimizer(config: PretrainConfig, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    return torch.optim.SGD(parameters, lr=rate, momentum=0.9, dampening=0.1, weight_decay=decay)
