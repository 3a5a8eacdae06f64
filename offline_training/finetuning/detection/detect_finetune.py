"""Supervised detection: from scans with boxes to checkpoints; resumes after a kill as if nothing had happened."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from offline_training.datasets.batches.collate_boxes import BoxBatch
from offline_training.finetuning.detection.config import FREE_ON_RESUME, DetectFinetuneConfig
from offline_training.finetuning.detection.detectors import build_detector
from offline_training.finetuning.detection.judging import box_finder, measured
from offline_training.finetuning.detection.one_cycle import build_optimizer, set_cycle
from offline_training.finetuning.detection.quality import DetectionMeasurement
from offline_training.finetuning.detection.training_batches import training_batches, training_data
from offline_training.networks.detection.detector import Detector
from offline_training.networks.detection.inputs import DetectorInputs
from offline_training.runs.checkpoint import Checkpoint, clean_checkpoint_folder
from offline_training.runs.device import torch_set_up, uses_cuda
from offline_training.runs.fit import fit
from offline_training.runs.resume import checkpoint_to_resume
from offline_training.runs.sharing.only_writer import only_writer
from offline_training.runs.start_weights import StartWeights, begin_detector_with
from offline_training.runs.step_run import Rhythm
from offline_training.runs.validated_run import ValidatedRun

_log = logging.getLogger(__name__)


def detect_finetune(config: DetectFinetuneConfig, resume: str = "auto") -> Path:
    """Train as configured and return the last checkpoint; `resume` and what is raised as finetune() has it."""
    folder = Path(config.out) / "checkpoints"
    with torch_set_up(config.threads), only_writer(folder):
        uses_cuda(config)
        clean_checkpoint_folder(folder)
        data = training_data(config)
        config = config.model_copy(update={"max_steps": data.max_steps(config)})
        lengths = ("max_steps",) if config.epochs is None else ("epochs", "max_steps")
        start = checkpoint_to_resume(folder, config, resume, FREE_ON_RESUME, lengths)
        run = DetectFinetuning(config, start)
        return fit(run, training_batches(config, data.scans, run.step))


class DetectFinetuning(ValidatedRun):
    """A run of supervised detection."""

    config: DetectFinetuneConfig
    network: Detector[Any]

    def __init__(self, config: DetectFinetuneConfig, start: Checkpoint | None) -> None:
        length_key = "max_steps" if config.epochs is None else "epochs"
        rhythm = Rhythm(config.max_steps, config.checkpoint_every, config.validate_every, length_key)
        super().__init__(config, Path(config.out), rhythm)
        self.network = build_detector(config)
        begun = None if start is not None else self._begun()
        self.optimizer = build_optimizer(self.network.parameters(), config.learning_rate, config.weight_decay)
        self.begin(start)
        if begun is not None and self.log_book is not None:
            self.log_book.write_start(begun.to_dict())

    def set_rates(self) -> float:
        """Set learning rate and momentum by the one-cycle schedule."""
        return set_cycle(self.optimizer, self.step, self.config.max_steps, self.config.learning_rate)

    def losses(self, batch: BoxBatch[DetectorInputs]) -> Mapping[str, Tensor]:
        """The detector's parts, and their sum `loss`. All are scalars."""
        head_maps = self.network(batch.inputs)
        parts = self.network.losses(head_maps, self.network.targets(batch.boxes))
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def gradient_norm(self) -> float:
        """The gradient is clipped; the norm is that from before."""
        norm = super().gradient_norm()
        torch.nn.utils.clip_grads_with_norm_(self.parameters(), self.config.gradient_norm, torch.tensor(norm))
        return norm

    def numbers(self, batch: BoxBatch[DetectorInputs]) -> Mapping[str, float]:
        """How much a batch holds."""
        return {"voxels": len(batch.inputs.features), "boxes": sum(map(len, batch.boxes))}

    def validation(self) -> DetectionMeasurement | None:
        """The answers on all validation scans."""
        if not self.config.validation:
            return None
        finder = box_finder(self.network, self.config, self.device)
        return measured(finder, self.config.validation, lambda: self.stop.is_asked)

    def _begun(self) -> StartWeights | None:
        """The weights of another run, where the configuration names one."""
        if self.config.start_from is None:
            return None
        begun = begin_detector_with(self.network, Path(self.config.start_from), self.config.classes, self.config)
        _log.log(logging.WARNING if begun.left_there or begun.other_inputs else logging.INFO, begun.told())
        return begun
