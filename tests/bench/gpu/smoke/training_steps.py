"""Two steps of every pre-training method, of segmentation and of detection, in the run's own precision: half on CUDA."""

import json
import math
import tempfile
from functools import partial
from pathlib import Path

import torch

from offline_training.datasets import data_sources
from offline_training.finetuning import finetune as finetune_module
from offline_training.finetuning.detection import training_batches as box_batches
from offline_training.finetuning.detection.detect_finetune import detect_finetune
from offline_training.finetuning.finetune import finetune
from offline_training.pretraining import pretrain as pretrain_module
from offline_training.pretraining.known_methods import METHODS
from offline_training.pretraining.pretrain import pretrain
from tests.bench.gpu.smoke.steps import Step
from tests.training.finetuning import rooms as finetuning_rooms
from tests.training.finetuning.detection import parking
from tests.training.pretraining import pretrain_scenes

_STEPS = 2


def steps(device: torch.device) -> list[Step]:
    """One run of each."""
    return [
        *(Step(f"pre-training, {method}", partial(_pretrain, method)) for method in METHODS),
        Step("fine-tuning, segmentation", _segmentation),
        Step("fine-tuning, detection", _detection),
    ]


def _pretrain(method: str, device: torch.device) -> str:
    rooms = pretrain_scenes.Rooms()
    pretrain_module.open_source = lambda *_: rooms  # the process is of this test alone
    data_sources.require_data = lambda *_: None
    with tempfile.TemporaryDirectory() as folder:
        known = METHODS[method].config.model_fields
        store = str(pretrain_scenes.write_labels(Path(folder) / "labels", rooms))
        labels = {name: value for name, value in (("labels", "weak"), ("weak_labels", store)) if name in known}
        out = Path(folder) / "run"
        pretrain(pretrain_scenes.config(out, method=method, device=device.type, max_steps=_STEPS, **labels))
        return _told(out)


def _segmentation(device: torch.device) -> str:
    finetune_module.open_source = lambda *_args, **_named: finetuning_rooms.Rooms()
    with tempfile.TemporaryDirectory() as folder:
        finetune(finetuning_rooms.config(Path(folder), device=device.type, max_steps=_STEPS))
        return _told(Path(folder))


def _detection(device: torch.device) -> str:
    box_batches.open_boxes = lambda _source, classes, *_args, **_named: parking.Parking(classes.name)
    with tempfile.TemporaryDirectory() as folder:
        detect_finetune(parking.config(Path(folder), device=device.type, max_steps=_STEPS))
        return _told(Path(folder))


def _told(out: Path) -> str:
    lines = [json.loads(text) for text in (out / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    if len(losses) != _STEPS or not all(map(math.isfinite, losses)) or lines[-1].get("bad_steps"):
        raise RuntimeError(f"expected {_STEPS} finite losses and no bad step, found {losses}")
    return f"losses {', '.join(f'{loss:.3f}' for loss in losses)}"
