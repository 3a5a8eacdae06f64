"""Doing the steps of a run with Lightning's Trainer, on the run's own terms: its steps, its log, its checkpoints."""

import sys
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader, Dataset

from offline_training.runs.device import precision_of, uses_cuda
from offline_training.runs.ranks import Ranks
from offline_training.runs.run_config import RunConfig
from offline_training.runs.step_run import StepRun


def fit(run: StepRun, batches: DataLoader) -> Path:
    """Do the steps that are left, one batch each, and return the last checkpoint; a SIGTERM ends the run with one.

    Raises BadConfig for a device that is not there, or when no loss is finite any more.
    """
    with nullcontext() if run.log_book is None else closing(run.log_book):
        if not run.is_complete:
            with suppress(SIGTERMException):
                _trainer(run.config, run.ranks).fit(run, batches)
        return run.save()


def step_batches(
    dataset: Dataset[Any],
    sampler: Iterable[list[tuple[int, int]]],
    collate: Callable[[list[Any]], Any],
    workers: int,
) -> DataLoader:
    """One batch for each step of a sampler, whose places are (step, place in the batch); workers: processes, 0 = none."""
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        # A forked child of a process that has used OpenMP or CUDA is not safe.
        multiprocessing_context="spawn" if workers else None,
    )


def _trainer(config: RunConfig, ranks: Ranks) -> Trainer:
    return Trainer(
        default_root_dir=config.out,
        accelerator="gpu" if uses_cuda(config) else "cpu",
        devices=[ranks.local_rank] if uses_cuda(config) else 1,
        plugins=[LightningEnvironment()],  # one device for Lightning; what processes exchange is in ranks.py
        precision=precision_of(config),
        max_epochs=1,
        logger=False,  # RunLog writes what there is to tell
        enable_checkpointing=False,  # its checkpoints are pickles; ours are in checkpoint.py
        enable_model_summary=False,
        enable_progress_bar=config.progress and ranks.rank == 0 and sys.stderr.isatty(),
        use_distributed_sampler=False,
    )
