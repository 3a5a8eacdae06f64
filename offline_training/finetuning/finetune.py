"""Supervised segmentation: from labelled scans to checkpoints; resumes after a kill as if nothing had happened."""

import logging
import math
from pathlib import Path

import torch
from torch import Tensor

from lidar_vl_core.foundation.threads import machine_cores
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.batches.collate import Batch
from offline_training.datasets.batches.label_check import require_labels
from offline_training.datasets.batches.training_scans import TrainingScans, class_weights, labelled_scan
from offline_training.datasets.data_sources import open_source
from offline_training.finetuning.config import FREE_ON_RESUME, FinetuneConfig
from offline_training.finetuning.evaluate import build_network, confusion_on
from offline_training.finetuning.linear_probe import FeatureRows, freeze_backbone, frozen_features, head_of
from offline_training.finetuning.optimisation import build_optimizer, set_rates
from offline_training.finetuning.segmentation_measurement import SegmentationMeasurement
from offline_training.finetuning.training_batches import training_batches
from offline_training.losses.segmentation import cross_entropy, lovasz_softmax
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.runs.averaged_weights import AveragedWeights
from offline_training.runs.checkpoint import Checkpoint, clean_checkpoint_folder, weights_of
from offline_training.runs.device import torch_set_up, uses_cuda
from offline_training.runs.fit import fit
from offline_training.runs.resume import checkpoint_to_resume
from offline_training.runs.sharing.only_writer import only_writer
from offline_training.runs.start_weights import StartWeights, begin_with
from offline_training.runs.step_run import Rhythm
from offline_training.runs.validated_run import ValidatedRun

_log = logging.getLogger(__name__)
_NO_CLASS = "no_class"  # of names in a checkpoint


def finetune(config: FinetuneConfig, resume: str = "auto") -> Path:
    """Train as configured and return the last checkpoint; torch's settings are afterwards as they were before.

    resume: "auto" resumes where `out` has a checkpoint, "never" refuses to touch one, "previous" and "best" resume from those.
    A run can resume with more steps or epochs than it was made for; its learning rate then follows the new length.
    Raises RunStopped when Ctrl-C or a SIGTERM ended it, after a checkpoint; BadCheckpoint, BadConfig, BadDataset; BadRequest
    where another process writes this run.
    """
    folder = Path(config.out) / "checkpoints"
    with torch_set_up(config.threads), only_writer(folder):
        uses_cuda(config)
        clean_checkpoint_folder(folder)
        datasets = [open_source(source, config.class_table, machine_cores()) for source in config.train]
        scans = _scans(config, datasets)
        config = _with_steps(config, scans.scan_count())
        lengths = ("max_steps",) if config.epochs is None else ("epochs", "max_steps")
        start = checkpoint_to_resume(folder, config, resume, FREE_ON_RESUME, lengths)
        if start is None:
            _require_labels(config, datasets)
        run = Finetuning(config, scans, start)
        return fit(run, training_batches(config, scans, run.network, run.step))


def _scans(config: FinetuneConfig, datasets: list[SampleSource]) -> TrainingScans:
    return TrainingScans(
        datasets,
        [source.weight for source in config.train],
        config.augment,
        config.max_points,
        config.seed,
        None if config.epochs is None else config.batch_size * config.accumulate,
        config.last_batch == "left_out",
    )


def _require_labels(config: FinetuneConfig, datasets: list[SampleSource]) -> None:
    """Raise BadLabels, before hours of work, for data to train or to measure on that have none."""
    for source, dataset in zip(config.train, datasets, strict=True):
        require_labels(dataset, source.title, config.grid)
    for source in config.validation:
        require_labels(open_source(source, config.class_table, machine_cores()), source.title, config.grid)


def _with_steps(config: FinetuneConfig, scan_count: int) -> FinetuneConfig:
    """The configuration with the number of steps that its epochs make."""
    if config.epochs is None:
        return config
    scans_per_step = config.batch_size * config.accumulate
    steps = math.ceil(config.epochs * scan_count / scans_per_step)
    if config.last_batch == "left_out":
        steps = config.epochs * max(1, scan_count // scans_per_step)
    return config.model_copy(update={"max_steps": steps})


class Finetuning(ValidatedRun):
    """A run of supervised segmentation, or of a linear probe."""

    config: FinetuneConfig
    network: PointBackbone
    class_weight: Tensor

    def __init__(self, config: FinetuneConfig, scans: TrainingScans, start: Checkpoint | None) -> None:
        length_key = "max_steps" if config.epochs is None else "epochs"
        rhythm = Rhythm(config.max_steps, config.checkpoint_every, config.validate_every, length_key)
        super().__init__(config, Path(config.out), rhythm)
        self.network = build_network(config)
        begun = None if start is not None else self._begun()
        if config.probe:
            freeze_backbone(self.network)
        if config.ema_decay > 0:
            self.averaged = AveragedWeights(self.network, config.ema_decay)
        self.no_class = torch.nn.Linear(self.network.feature_channels, 1) if config.score_of_no_class else None
        beside_head = () if self.no_class is None else tuple(self.no_class.parameters())
        self.optimizer = build_optimizer(config, self.network, beside_head)
        self.register_buffer("class_weight", _class_weight(config, scans) if start is None else None)
        self.begin(start)
        if begun is not None and self.log_book is not None:
            self.log_book.write_start(begun.to_dict())

    def set_rates(self) -> float:
        """A rise, then half a cosine; the head may have a rate of its own."""
        return set_rates(self.optimizer, self.config, self.step)

    def losses(self, batch: Batch | FeatureRows) -> dict[str, Tensor]:
        """`cross_entropy`, `lovasz` and their weighted sum `loss`. All are scalars."""
        logits, weight = self._scores(batch), self.class_weight
        if self.no_class is not None:
            weight = torch.cat([weight, weight.new_ones(1)])  # of no row: its number is read by label smoothing alone
        entropy = cross_entropy(logits.float(), batch.row_class, weight, self.config.label_smoothing)
        lovasz = lovasz_softmax(logits, batch.row_class)
        return {"loss": entropy + self.config.lovasz_weight * lovasz, "cross_entropy": entropy, "lovasz": lovasz}

    def gradient_norm(self) -> float:
        """The gradient is clipped; the norm is that from before."""
        norm = super().gradient_norm()
        torch.nn.utils.clip_grads_with_norm_(self.parameters(), self.config.gradient_norm, torch.tensor(norm))
        return norm

    def numbers(self, batch: Batch | FeatureRows) -> dict[str, float]:
        """How much a batch holds."""
        return {"rows": len(batch.row_class)}

    def validation(self) -> SegmentationMeasurement | None:
        """The averaged weights, where there are any, on all validation scans."""
        if not self.config.validation:
            return None
        network = self.network if self.averaged is None else self.averaged.network_like(self.network)
        datasets = [open_source(source, self.config.class_table) for source in self.config.validation]
        scans = (labelled_scan(dataset[i]) for dataset in datasets for i in range(len(dataset)))
        confusion = confusion_on(network, self.config, scans, self.device, lambda: self.stop.is_asked)
        return None if self.stop.is_asked else SegmentationMeasurement(confusion, self.config.class_table)

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of a checkpoint by name, with the class weights (classes,), so that a resumed run need not count scans again."""
        beside_head = {} if self.no_class is None else self.no_class.state_dict(prefix=f"{_NO_CLASS}.")
        return {**super().tensors(), "class_weight": self.class_weight, **beside_head}

    def restore(self, start: Checkpoint) -> None:
        """Restore the state, with the weights of the classes."""
        super().restore(start)
        self.class_weight = start.tensors["class_weight"]
        if self.no_class is not None:
            self.no_class.load_state_dict(weights_of(start, _NO_CLASS))

    def _begun(self) -> StartWeights | None:
        """The weights of another run, where the configuration names one."""
        if self.config.start_from is None:
            return None
        begun = begin_with(self.network, Path(self.config.start_from), self.config.classes, self.config)
        _log.log(logging.WARNING if begun.left_there or begun.other_inputs else logging.INFO, begun.told())
        return begun

    def _scores(self, batch: Batch | FeatureRows) -> Tensor:
        """(R, K) scores of the rows, or one more; when probing, the gradient reaches the head alone."""
        if isinstance(batch, FeatureRows):
            features = batch.features
        elif self.config.probe:
            features = frozen_features(self.network, batch)
        else:
            features = self.network.point_features(batch.inputs)
        scores = head_of(self.network)(features)
        return scores if self.no_class is None else torch.cat([scores, self.no_class(features)], dim=1)


def _class_weight(config: FinetuneConfig, scans: TrainingScans) -> Tensor:
    counted = config.class_weight_scans
    return torch.from_numpy(class_weights(scans, counted, len(config.class_table), config.class_weight_power))
