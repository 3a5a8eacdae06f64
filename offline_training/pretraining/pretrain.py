"""Pre-training of a 3D network from pictures, without labels by hand; goes on after a kill as if nothing had happened.

One process, or several that torchrun starts, on one machine or more: each sees its own scans, gradients are averaged.
"""

import os
import sys
from contextlib import closing, nullcontext, suppress
from functools import partial
from pathlib import Path

import numpy as np
from lightning import Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from matplotlib.figure import Figure
from torch import distributed
from torch.utils.data import DataLoader

from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.data_sources import open_source
from offline_training.networks.base.point_backbone import Preparer
from offline_training.networks.projection_heads import ProjectionHeads
from offline_training.pretraining.base.config import PretrainConfig
from offline_training.pretraining.config import FREE_ON_RESUME, METHODS
from offline_training.pretraining.run import Pretraining
from offline_training.pretraining.scans import PretrainScans, ScanOrder, places
from offline_training.pretraining.schedule import Schedule
from offline_training.pretraining.similarity_picture import similarity_picture
from offline_training.pretraining.views.paired_scan import PairedScan
from offline_training.runs.checkpoint import clean_checkpoint_folder
from offline_training.runs.device import precision_of, sparse_form_of, torch_set_up, uses_cuda
from offline_training.runs.ranks import Ranks, joined_ranks
from offline_training.runs.resume import checkpoint_to_resume


def pretrain(config: PretrainConfig, resume: str = "auto") -> Path:
    """Pre-train as configured and return the last checkpoint, from whose weights `finetune` can start.

    resume: "auto" goes on where `out` has a checkpoint, "never" refuses to touch one, "previous" goes on from that one.
    A SIGTERM ends the run with a checkpoint. Raises BadCheckpoint, BadConfig, BadDataset, BadLabels, BadRequest.
    """
    with torch_set_up(config.threads), joined_ranks(uses_cuda(config)) as ranks:
        run, loader = _prepared(config, resume, ranks)
        with nullcontext() if run.log_book is None else closing(run.log_book):
            if run.step < run.schedule.end_step:
                with suppress(SIGTERMException):
                    _trainer(config, ranks).fit(run, loader)
            return run.save()


def _trainer(config: PretrainConfig, ranks: Ranks) -> Trainer:
    return Trainer(
        default_root_dir=config.out,
        accelerator="gpu" if uses_cuda(config) else "cpu",
        devices=[ranks.local_rank] if uses_cuda(config) else 1,
        plugins=[LightningEnvironment()],  # one device for Lightning; what processes exchange is in ranks.py
        precision=precision_of(config),
        max_epochs=1,
        logger=False,  # PretrainLog writes what there is to tell
        enable_checkpointing=False,  # its checkpoints are pickles; ours are in checkpoint.py
        enable_model_summary=False,
        enable_progress_bar=config.progress and ranks.rank == 0 and sys.stderr.isatty(),
        use_distributed_sampler=False,
    )


def _prepared(config: PretrainConfig, resume: str, ranks: Ranks) -> tuple[Pretraining, DataLoader]:
    """The run as it begins or goes on, and the batches that are left. The first process prepares the disk for all."""
    folder = Path(config.out) / "checkpoints"
    if ranks.rank == 0:
        clean_checkpoint_folder(folder)
    sources = _opened(config, ranks)
    start = checkpoint_to_resume(folder, config, resume, FREE_ON_RESUME)
    if ranks.count > 1:
        distributed.barrier()  # nobody writes before all have read
    order = ScanOrder(sum(len(source) for source in sources), config.batch_size * ranks.count, config.seed)
    schedule = Schedule(config, order.steps_per_epoch)
    method = METHODS[config.method]
    ids = method.reads(config)
    if ids is not None:
        ids.require_first_pictures(sources)
    scans = PretrainScans(sources, order, method.views(config, ids))
    preparer = config.preparer(sparse_form_of(config))
    build_objective = partial(method.objective, config, ids)
    run = Pretraining(
        config, ranks, schedule, build_objective, start, partial(_drawn_features, scans=scans, preparer=preparer)
    )
    loader = DataLoader(
        scans,
        batch_sampler=places(run.step, schedule.end_step, config.batch_size, ranks),
        collate_fn=method.collate(config, preparer),
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


def _drawn_features(run: Pretraining, scans: PretrainScans, preparer: Preparer) -> Figure | None:
    """Similarity of features in the run's first scan, always the same, so that progress shows; None where nothing is paired."""
    (teacher,), heads, drawn = run.teacher, run.objective.heads, scans[0, 0]
    scan = drawn[0] if isinstance(drawn, tuple) else drawn
    if teacher is None or not isinstance(heads, ProjectionHeads) or not isinstance(scan, PairedScan):
        return None
    with_row = np.flatnonzero(preparer([(scan.xyz_m, scan.intensity)]).row_of_point.numpy()[scan.point_index] >= 0)
    if len(with_row) == 0:
        return None
    anchor = int(with_row[len(with_row) // 2])
    return similarity_picture(run.network, heads, teacher, preparer, scan, anchor, run.device)
