"""The batches of a fine-tuning: scans through the network's preparer, or features that a frozen network gives."""

from functools import partial

from torch.utils.data import DataLoader

from offline_training.datasets.batches.collate import collate
from offline_training.datasets.batches.training_scans import StepSampler, TrainingScans
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.linear_probe import FrozenFeatures, joined_rows
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.runs.backbones import preparer_of
from offline_training.runs.device import sparse_form_of
from offline_training.runs.fit import step_batches


def training_batches(
    config: FinetuneConfig, scans: TrainingScans, network: PointBackbone, first_step: int
) -> DataLoader:
    """One batch for each step from the first; when probing without augmentation, rows of features computed once."""
    collate_scans = partial(
        collate,
        preparer=preparer_of(config, sparse_form_of(config)),
        num_classes=len(config.class_table),
        first_point=config.row_label == "first_point",
    )
    steps = StepSampler(first_step, config.max_steps, config.batch_size * config.accumulate)
    if config.probe and config.augment is None:
        rows = FrozenFeatures(scans, network, collate_scans)
        return step_batches(rows, steps, joined_rows, config, in_this_process=True, accumulate=config.accumulate)
    return step_batches(scans, steps, collate_scans, config, accumulate=config.accumulate)
