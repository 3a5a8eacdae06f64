"""The batches of a fine-tuning for detection: scans with boxes through the network's preparer, in the order asked for."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch.utils.data import DataLoader

from lidar_vl_core.foundation.threads import machine_cores
from offline_training.datasets.augment.object_database import ObjectDatabase, build_object_database
from offline_training.datasets.augment.object_paste import require_classes_of
from offline_training.datasets.base.box_source import BoxSource
from offline_training.datasets.batches.collate_boxes import collate_boxes
from offline_training.datasets.batches.training_boxes import (
    BoxTraining,
    Order,
    TrainingBoxes,
    balanced_order,
    even_order,
)
from offline_training.datasets.batches.training_scans import StepSampler
from offline_training.datasets.batches.weighted_order import WeightedOrder
from offline_training.datasets.box_sources import open_boxes
from offline_training.finetuning.detection.config import DetectFinetuneConfig
from offline_training.finetuning.detection.detectors import training_preparer
from offline_training.runs.device import sparse_form_of
from offline_training.runs.fit import step_batches


@dataclass(frozen=True)
class TrainingData:
    """The scans of a run, and how many of its steps are an epoch."""

    scans: TrainingBoxes
    steps_per_epoch: int | None  # None where scans are drawn by weight

    def max_steps(self, config: DetectFinetuneConfig) -> int:
        """How long a run is."""
        if config.epochs is None or self.steps_per_epoch is None:
            return config.max_steps
        return config.epochs * self.steps_per_epoch


def training_data(config: DetectFinetuneConfig) -> TrainingData:
    """Open the data sets, and make what they and the pasting of objects lack. Raises BadDataset, BadConfig."""
    table = config.class_table
    sources = [open_boxes(source, table, config.sweeps, machine_cores()) for source in config.train]
    order, steps_per_epoch = _order(config, sources)
    training = BoxTraining(config.point_cloud_range, config.least_points, config.augment, config.paste)
    database = _objects(config, sources)
    return TrainingData(TrainingBoxes(sources, order, training, config.seed, database), steps_per_epoch)


def training_batches(config: DetectFinetuneConfig, scans: TrainingBoxes, first_step: int) -> DataLoader:
    """One batch for each step from the first."""
    collate = partial(collate_boxes, preparer=training_preparer(config, sparse_form_of(config)))
    steps = StepSampler(first_step, config.max_steps, config.batch_size * config.accumulate)
    return step_batches(scans, steps, collate, config, accumulate=config.accumulate)


def _order(config: DetectFinetuneConfig, sources: list[BoxSource]) -> tuple[Order, int | None]:
    counts = [len(source) for source in sources]
    if config.order == "weights":
        return WeightedOrder(counts, [source.weight for source in config.train], config.seed), None
    if config.order == "classes":
        balanced = balanced_order(sources, config.batch_size * config.accumulate, config.seed)
        return balanced, balanced.steps_per_epoch
    even = even_order(sources, config.batch_size * config.accumulate, config.seed)
    return even, even.steps_per_epoch


def _objects(config: DetectFinetuneConfig, sources: list[BoxSource]) -> ObjectDatabase | None:
    """The objects to paste; of several data sets those of the first."""
    if config.paste is None or config.objects is None:
        return None
    source = config.train[0]
    made_of = f"{source.model_dump_json(exclude={'folder', 'weight'})} sweeps {config.sweeps}"
    database = build_object_database(sources[0], Path(config.objects), made_of)
    require_classes_of(config.paste, database)
    return database
