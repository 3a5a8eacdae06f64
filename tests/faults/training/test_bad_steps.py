"""Row 34 of the list of faults: steps whose loss or gradient is no number."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.base.sample import Sample
from offline_training.finetuning import finetune as finetune_module
from offline_training.finetuning import training_batches as batches_module
from offline_training.finetuning.config import FinetuneConfig
from offline_training.runs.checkpoint import load_checkpoint


class Points:
    """One scan of random points in two classes."""

    classes = class_table("nuscenes16")

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(0)
        xyz_m = (rng.normal(size=(400, 3)) * [8, 8, 1]).astype(np.float32)
        cloud = PointCloud(xyz_m, rng.random(400, np.float32), 0, "lidar")
        return Sample("points", cloud, rng.integers(0, 2, 400).astype(np.uint8), self.classes)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FinetuneConfig:
    monkeypatch.setattr(finetune_module, "open_source", lambda *_: Points())
    settings = {
        "out": str(tmp_path),
        "train": [{"kind": "pandaset", "folder": "unused"}],
        "stem": 16,
        "planes": [16] * 8,
        "voxel_size": [1.0, 1.0, 1.0],
        "max_steps": 16,
        "batch_size": 1,
        "checkpoint_every": 1,
        "workers": 0,
        "threads": 1,
        "device": "cpu",
    }
    return validated(FinetuneConfig, settings, "test")


def _bad_loss(value: float, monkeypatch: pytest.MonkeyPatch, steps: range) -> None:
    """Make the cross-entropy of some steps a number that is none."""
    right, calls = finetune_module.cross_entropy, iter(range(1000))

    def sometimes_wrong(*arguments: object) -> torch.Tensor:
        loss = right(*arguments)
        return loss * value if next(calls) in steps else loss

    monkeypatch.setattr(finetune_module, "cross_entropy", sometimes_wrong)


@pytest.mark.slow
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_step_whose_loss_is_no_number_is_left_out_and_counted(run, monkeypatch, value):
    _bad_loss(value, monkeypatch, range(3, 7))
    finetune_module.finetune(run)
    _require_finite_run(run, bad_steps=4)


def test_a_step_whose_gradient_is_no_number_is_left_out(run, monkeypatch):
    right, calls = finetune_module.cross_entropy, iter(range(1000))

    def steep(logits: torch.Tensor, *rest: object) -> torch.Tensor:
        loss = right(logits, *rest)
        return loss + (logits.sum() * 0.0).sqrt() if next(calls) == 4 else loss  # value 0, slope infinite

    monkeypatch.setattr(finetune_module, "cross_entropy", steep)
    finetune_module.finetune(run)
    _require_finite_run(run, bad_steps=1)


def test_features_that_are_no_number_leave_no_trace_in_the_norms(run, monkeypatch):
    right, calls = batches_module.collate, iter(range(1000))

    def spoilt(*arguments: object, **named: object) -> object:
        batch = right(*arguments, **named)
        if next(calls) == 4:
            batch.inputs.features[0] = float("nan")
        return batch

    monkeypatch.setattr(batches_module, "collate", spoilt)
    finetune_module.finetune(run)
    _require_finite_run(run, bad_steps=1)


def test_ten_bad_steps_in_a_row_end_the_run_and_the_last_good_checkpoint_stays(run, monkeypatch):
    _bad_loss(float("nan"), monkeypatch, range(4, 1000))
    with pytest.raises(BadConfig, match=r"step 13: .* 10 steps in a row"):
        finetune_module.finetune(run)
    loaded = load_checkpoint(Path(run.out) / "checkpoints")
    assert all(bool(torch.isfinite(tensor).all()) for tensor in loaded.tensors.values())


def _require_finite_run(run: FinetuneConfig, bad_steps: int) -> None:
    loaded = load_checkpoint(Path(run.out) / "checkpoints")
    assert loaded.step == run.max_steps
    assert loaded.state["bad_steps"] == bad_steps
    assert all(bool(torch.isfinite(tensor).all()) for tensor in loaded.tensors.values())
