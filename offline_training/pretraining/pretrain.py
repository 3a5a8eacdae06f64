"""Pre-training of a 3D network from images, without manual labels; resumes exactly after a kill.

Runs as one process, or as several started by torchrun on one or more machines: each reads its own scans, gradients are
averaged.
"""

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import distributed
from torch.utils.data import DataLoader

from lidar_vl_core.foundation.threads import machine_cores
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.batches.label_check import require_points
from offline_training.datasets.data_sources import open_source
from offline_training.networks.base.point_backbone import Preparer
from offline_training.networks.projection_heads import ProjectionHeads
from offline_training.pretraining.base.config import PretrainConfig
from offline_training.pretraining.base.occupancy import QueryPreparer
from offline_training.pretraining.config import FREE_ON_RESUME
from offline_training.pretraining.known_methods import METHODS
from offline_training.pretraining.run import Pretraining
from offline_training.pretraining.scans import PretrainScans, places
from offline_training.pretraining.schedule import Schedule
from offline_training.pretraining.several_sources import StepSources, intensity_factors, order_of, require_pictures
from offline_training.pretraining.similarity_picture import similarity_picture
from offline_training.pretraining.views.paired_scan import PairedScan
from offline_training.runs.backbones import preparer_of
from offline_training.runs.checkpoint import clean_checkpoint_folder
from offline_training.runs.device import sparse_form_of, torch_set_up, uses_cuda
from offline_training.runs.fit import fit, step_batches
from offline_training.runs.ranks import Ranks, joined_ranks
from offline_training.runs.resume import checkpoint_to_resume
from offline_training.runs.sharing.only_writer import only_writer


def pretrain(config: PretrainConfig, resume: str = "auto") -> Path:
    """Pre-train as configured and return the last checkpoint, from which `finetune` can start.

    resume: "auto" resumes if `out` has a checkpoint, "never" refuses to touch one, "previous" resumes from the one
    before the last. A run may resume with more steps or epochs than it was started with; its learning rate then follows
    the new length. Raises RunStopped after Ctrl-C or SIGTERM, once a checkpoint is saved; BadCheckpoint, BadConfig,
    BadDataset, BadLabels, BadRequest.
    """
    folder = Path(config.out) / "checkpoints"
    with (
        torch_set_up(config.threads),
        joined_ranks(uses_cuda(config)) as ranks,
        only_writer(folder) if ranks.rank == 0 else nullcontext(),
    ):
        return fit(*_prepared(config, resume, ranks))


def _prepared(config: PretrainConfig, resume: str, ranks: Ranks) -> tuple[Pretraining, DataLoader]:
    """The run, new or resumed, and its remaining batches. The first process prepares the disk for all."""
    folder = Path(config.out) / "checkpoints"
    if ranks.rank == 0:
        clean_checkpoint_folder(folder)
    sources = _opened(config, ranks)
    for source, samples in zip(config.train, sources, strict=True):
        require_points(samples, source.title, config.grid)
    require_pictures(config, sources)
    start = checkpoint_to_resume(folder, config, resume, FREE_ON_RESUME, ("epochs", "max_steps"))
    if ranks.count > 1:
        distributed.barrier()  # no process writes before all have read
    scans_per_step = config.batch_size * config.accumulate  # of this process
    order = order_of(config, sources, scans_per_step * ranks.count)
    schedule = Schedule(config, order.steps_per_epoch)
    method = METHODS[config.method]
    ids = method.reads(config)
    if ids is not None:
        ids.require_some_pictures(sources)
    scans = PretrainScans(sources, order, method.views(config, ids), intensity_factors(config, sources))
    preparer = preparer_of(config, sparse_form_of(config))
    build_objective = partial(method.objective, config, ids)
    draw = partial(_drawn_features, scans=scans, preparer=preparer)
    step_sources = StepSources(config, sources, order, ranks)
    run = Pretraining(config, ranks, schedule, build_objective, start, draw, step_sources)
    steps = places(run.step, schedule.end_step, scans_per_step, ranks)
    if config.occupancy is not None:
        preparer = QueryPreparer(preparer, config.occupancy)
    return run, step_batches(scans, steps, method.collate(config, preparer), config, accumulate=config.accumulate)


def _opened(config: PretrainConfig, ranks: Ranks) -> list[SampleSource]:
    """Open the data sets; the first process generates those that do not exist yet while the others wait."""
    if ranks.count > 1 and ranks.rank != 0:
        distributed.barrier()
    sources = [open_source(source, config.class_table, machine_cores()) for source in config.train]
    if ranks.count > 1 and ranks.rank == 0:
        distributed.barrier()
    return sources


def _drawn_features(run: Pretraining, scans: PretrainScans, preparer: Preparer) -> Figure | None:
    """Draws feature similarity in the run's first scan, always the same, to show progress; None if nothing is paired."""
    (teacher,), heads, drawn = run.teacher, run.objective.heads, scans[0, 0]
    scan = drawn[0] if isinstance(drawn, tuple) else drawn
    if teacher is None or not isinstance(heads, ProjectionHeads) or not isinstance(scan, PairedScan):
        return None
    with_row = np.flatnonzero(preparer([(scan.xyz_m, scan.intensity)]).row_of_point.numpy()[scan.point_index] >= 0)
    if len(with_row) == 0:
        return None
    anchor = int(with_row[len(with_row) // 2])
    return similarity_picture(run.network, heads, teacher, preparer, scan, anchor, run.device)
