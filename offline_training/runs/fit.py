"""Doing the steps of a run with Lightning's Trainer, on the run's own terms: its steps, its log, its checkpoints."""

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader, Dataset

from lidar_vl_core.foundation.processes.compilation import compilation_told
from offline_training.networks.sparse.warm_up import compile_loops
from offline_training.runs.device import uses_cuda
from offline_training.runs.gradients.parts import in_parts
from offline_training.runs.ranks import Ranks
from offline_training.runs.run_config import AnyRunConfig
from offline_training.runs.sharing.lost_processes import end_where_no_batch_can_be_sent, lost_processes_told
from offline_training.runs.step_run import StepRun
from offline_training.runs.stopping import deaf_to_ctrl_c, stopped

_log = logging.getLogger(__name__)


def fit(run: StepRun, batches: DataLoader) -> Path:
    """Do the steps that are left, one batch each, and return the last checkpoint.

    Raises RunStopped when Ctrl-C or a SIGTERM ended the run, after a checkpoint; BadConfig for a device that is not there,
    or when no loss is finite any more; LostProcess when a worker or another rank is gone, or their shared memory is full.
    """
    length_key, end_step = run.rhythm.length_key, run.rhythm.end_step
    with nullcontext() if run.log_book is None else closing(run.log_book), run.stop:
        if run.is_complete:
            run.to("cuda" if uses_cuda(run.config) else "cpu")
            run.catch_up()
            _log.warning("finished at step %d; raise %s to go on", end_step, length_key)
        else:
            with lost_processes_told():
                _do_steps(run, batches)
        last = run.save()
        if run.stop.is_asked:
            told = f"stopped at step {run.step} of {end_step}" if run.ranks.rank == 0 else ""
            raise stopped(told, run.stop.signum)
        return last


def _do_steps(run: StepRun, batches: DataLoader) -> None:
    if not uses_cuda(run.config):
        with compilation_told():
            compile_loops()
    try:
        with suppress(SIGTERMException):
            _trainer(run.config, run.ranks).fit(run, batches)
    except RuntimeError:
        # A signal to the whole group of processes ends those that prepare batches, too, and the next batch never comes.
        if not (run.stop.is_asked and run.is_between_steps):
            raise


def step_batches(
    dataset: Dataset[Any],
    sampler: Iterable[list[tuple[int, int]]],
    collate: Callable[[Sequence[Any]], Any],
    config: AnyRunConfig,
    in_this_process: bool = False,
    accumulate: int = 1,
) -> DataLoader:
    """The Parts of each step of a sampler, whose places are (step, place in the batch); accumulate: how many parts."""
    workers = 0 if in_this_process else config.workers
    return _StepLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=in_parts(collate, accumulate),
        num_workers=workers,
        prefetch_factor=config.prefetch if workers else None,
        pin_memory=uses_cuda(config) and not in_this_process,
        # A forked child of a process that has used OpenMP or CUDA is not safe.
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=end_where_no_batch_can_be_sent,
    )


class _StepLoader(DataLoader):
    """Its processes go on when somebody presses Ctrl-C: the training decides when they end."""

    def __iter__(self) -> Any:  # noqa: ANN401  torch's own iterator
        return deaf_to_ctrl_c(super().__iter__)


def _trainer(config: AnyRunConfig, ranks: Ranks) -> Trainer:
    return Trainer(
        default_root_dir=config.out,
        accelerator="gpu" if uses_cuda(config) else "cpu",
        devices=[ranks.local_rank] if uses_cuda(config) else 1,
        plugins=[LightningEnvironment()],  # one device for Lightning; what processes exchange is in ranks.py
        precision="32-true",  # StepRun has autocast and the loss scale of its own
        max_epochs=1,
        logger=False,  # RunLog writes what there is to tell
        enable_checkpointing=False,  # its checkpoints are pickles; ours are in checkpoint.py
        enable_model_summary=False,
        enable_progress_bar=config.progress and ranks.rank == 0 and sys.stderr.isatty(),
        use_distributed_sampler=False,
    )
