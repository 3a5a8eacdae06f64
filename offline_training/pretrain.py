"""Pre-training of a 3D network from pictures, without labels by hand; goes on after a kill as if nothing had happened.

One process, or several that torchrun starts, on one machine or more: each sees its own scans, gradients are averaged.
"""

import math
import os
import signal
import sys
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor, distributed
from torch.utils.data import DataLoader

from lidar_vl_core.errors import BadCheckpoint, BadConfig
from lidar_vl_core.files import sha256_of
from offline_training.checkpoint import Checkpoint, clean_checkpoint_folder, load_checkpoint, save_checkpoint
from offline_training.data_sources import SampleSource, open_source
from offline_training.datasets.pretrain_batch import PretrainBatch
from offline_training.datasets.two_views import TwoViewBatch
from offline_training.machine import precision, set_up_torch, sparse_form, uses_cuda
from offline_training.networks.image_teacher import ImageTeacher, build_image_teacher
from offline_training.pretrain_config import FREE_ON_RESUME, TWO_VIEW_METHODS, PretrainConfig
from offline_training.pretrain_log import PretrainLog, StopWatch, batch_numbers, memory_gb
from offline_training.pretrain_objectives.build import build_objective
from offline_training.pretrain_scans import PretrainScans, ScanOrder, changed_scan, collate, open_label_store, places
from offline_training.ranks import Ranks, any_rank, average_gradients, joined_ranks, mean_over_ranks
from offline_training.start_weights import RAW, weights_of

_MAX_BAD_STEPS = 10  # in a row: then it is no accident


def pretrain(config: PretrainConfig, resume: str = "auto") -> Path:
    """Pre-train as configured and return the last checkpoint, from whose weights `finetune` can start.

    resume: "auto" goes on where `out` has a checkpoint, "never" refuses to touch one, "previous" goes on from that one.
    A SIGTERM ends the run with a checkpoint. Raises BadCheckpoint, BadConfig, BadDataset, BadLabels, BadRequest.
    """
    set_up_torch(config.threads)
    with joined_ranks(uses_cuda(config)) as ranks:
        run, loader = _prepared(config, resume, ranks)
        trainer = Trainer(
            default_root_dir=config.out,
            accelerator="gpu" if uses_cuda(config) else "cpu",
            devices=[ranks.local_rank] if uses_cuda(config) else 1,
            plugins=[LightningEnvironment()],  # one device for Lightning; what processes exchange is in ranks.py
            precision=precision(config, config.precision),
            max_epochs=1,
            logger=False,  # PretrainLog writes what there is to tell
            enable_checkpointing=False,  # its checkpoints are pickles; ours are in checkpoint.py
            enable_model_summary=False,
            enable_progress_bar=config.progress and ranks.rank == 0 and sys.stderr.isatty(),
            use_distributed_sampler=False,
        )
        try:
            if run.step < run.schedule.end_step:
                trainer.fit(run, loader)
        except SIGTERMException:
            return run.save()
        return run.save()


class Schedule:
    """Length of a run and the learning rate of each of its steps."""

    def __init__(self, config: PretrainConfig, steps_per_epoch: int) -> None:
        self._config, self.steps_per_epoch = config, steps_per_epoch
        self.end_step = config.max_steps or (config.epochs or 0) * steps_per_epoch

    def learning_rate(self, step: int) -> float:
        """Half a cosine from the configured rate to 0, in steps or held for each epoch."""
        if self._config.schedule == "cosine_per_step":
            done = step / self.end_step
        else:
            done = (step // self.steps_per_epoch) / math.ceil(self.end_step / self.steps_per_epoch)
        return self._config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))


class _Pretraining(LightningModule):
    """The state of a run and one step of it."""

    def __init__(
        self,
        config: PretrainConfig,
        ranks: Ranks,
        schedule: Schedule,
        weak_classes: tuple[str, ...],
        start: Checkpoint | None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # a step with a NaN must be left out as a whole
        self.config, self.ranks, self.schedule = config, ranks, schedule
        self.folder = Path(config.out) / "checkpoints"
        teacher = _teacher(config)
        self.teacher = (teacher,)  # not a child: it must never be asked to train
        torch.manual_seed(config.seed)  # the same beginning in every process
        self.network = config.build(None)
        self.objective = build_objective(config, self.network, teacher, len(weak_classes))
        if uses_cuda(config) and ranks.count > 1:  # on CPUs each process norms by its own batch: torch has no other
            self.network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(self.network)
        self.trained = [*self.network.parameters(), *self.objective.heads.parameters()]
        self.optimizer = _optimizer(config, self.trained)
        self.step, self.bad_steps, self.bad_steps_in_a_row, self.saved_step = 0, 0, 0, -1
        self.teacher_sha256 = None if config.teacher_weights is None else sha256_of(Path(config.teacher_weights))
        if start is not None:
            self._restore(start)
        self.log_book = None
        if ranks.rank == 0:
            self.log_book = PretrainLog(Path(config.out), config.class_table, weak_classes, self.step)
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
            self._count_bad_step()
        else:
            self.optimizer.step()
            self.bad_steps_in_a_row = 0
        self.watch.lap("optimizer")
        self._tell(batch, losses, {"gradient_norm": float(norm), "learning_rate": rate, "bad_steps": self.bad_steps})
        self.step += 1

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ANN401
        """Save when it is time; stop when any process was told to."""
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
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items() if value is not None}
        state = {
            "bad_steps": self.bad_steps,
            "bad_in_a_row": self.bad_steps_in_a_row,
            "teacher_sha256": self.teacher_sha256,
        }
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
        numbers = {**numbers, **batch_numbers(batch), "memory_gb": memory_gb()}
        self.log_book.write_step(self.step, means, numbers, self.objective.kappa(), self.watch.seconds())

    def _restore(self, start: Checkpoint) -> None:
        if start.state["teacher_sha256"] != self.teacher_sha256:
            raise BadCheckpoint(
                f"{self.folder}: expected teacher weights of sha256 {start.state['teacher_sha256']}, found "
                f"{self.teacher_sha256}. Give the weights it was trained with, or another `out`."
            )
        self.network.load_state_dict(weights_of(start, RAW))
        heads = {f"heads.{name}": tensor for name, tensor in weights_of(start, "heads").items()}
        self.objective.load_state_dict({**weights_of(start, "objective"), **heads})
        optimizer_state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in weights_of(start, "optimizer").items():
            number, _, key = name.partition(".")
            optimizer_state.setdefault(int(number), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": optimizer_state, "param_groups": groups})
        self.step = self.saved_step = start.step
        self.bad_steps, self.bad_steps_in_a_row = start.state["bad_steps"], start.state["bad_in_a_row"]

    def _count_bad_step(self) -> None:
        self.bad_steps += 1
        self.bad_steps_in_a_row += 1
        if self.bad_steps_in_a_row == _MAX_BAD_STEPS:
            raise BadConfig(
                f"step {self.step}: expected a finite loss and gradient, found none in {_MAX_BAD_STEPS} steps in a row. "
                f"{self.folder / 'last.json'} is from before: lower learning_rate, or look at the data of these steps."
            )

    def _stop(self, signum: int, frame: Any) -> None:  # noqa: ANN401
        self._told_to_stop = True


def _prepared(config: PretrainConfig, resume: str, ranks: Ranks) -> tuple[_Pretraining, DataLoader]:
    """The run as it begins or goes on, and the batches that are left. The first process prepares the disk for all."""
    folder = Path(config.out) / "checkpoints"
    if ranks.rank == 0:
        clean_checkpoint_folder(folder)
    sources = _opened(config, ranks)
    start = _start_from(folder, config, resume)
    if ranks.count > 1:
        distributed.barrier()  # nobody writes before all have read
    order = ScanOrder(sum(len(source) for source in sources), config.batch_size * ranks.count, config.seed)
    schedule = Schedule(config, order.steps_per_epoch)
    store = open_label_store(config, sources)
    weak_classes = config.class_table.names if store is None or config.labels == "truth" else store.class_names
    run = _Pretraining(config, ranks, schedule, weak_classes, start)
    loader = DataLoader(
        PretrainScans(sources, order, changed_scan(config, store)),
        batch_sampler=places(run.step, schedule.end_step, config.batch_size, ranks),
        collate_fn=partial(collate, preparer=config.preparer(sparse_form(config)), labels=config.labels),
        num_workers=config.workers,
        # A forked child of a process that has used OpenMP or CUDA is not safe.
        multiprocessing_context="spawn" if config.workers else None,
    )
    return run, loader


def _opened(config: PretrainConfig, ranks: Ranks) -> list[SampleSource]:
    """The data sets; where some have to be made first, the first process makes them while the others wait."""
    if ranks.count > 1 and ranks.rank != 0:
        distributed.barrier()
    sources = [open_source(source, config.class_table, os.cpu_count() or 1) for source in config.train]
    if ranks.count > 1 and ranks.rank == 0:
        distributed.barrier()
    return sources


def _start_from(folder: Path, config: PretrainConfig, resume: str) -> Checkpoint | None:
    exists = (folder / "last.json").is_file()
    if resume == "never" and exists:
        raise BadCheckpoint(f"{folder}: expected no checkpoint, found one. Choose another `out`, or resume.")
    if resume in ("auto", "never") and not exists:
        return None
    path = folder / f"{'last' if resume == 'auto' else resume}.json"
    return load_checkpoint(path, config.model_dump(mode="json"), FREE_ON_RESUME)


def _teacher(config: PretrainConfig) -> ImageTeacher | None:
    if config.method in TWO_VIEW_METHODS:
        return None
    torch.manual_seed(config.seed)  # of random weights, which are not stored
    weights = None if config.teacher_weights is None else Path(config.teacher_weights)
    return build_image_teacher(config.teacher, weights, config.allow_random_weights)


def _optimizer(config: PretrainConfig, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    return torch.optim.SGD(parameters, lr=rate, momentum=0.9, dampening=0.1, weight_decay=decay)


def _seed_of(seed: int, step: int, rank: int) -> int:
    """One number for the draws of a step of a process."""
    import numpy as np

    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)
