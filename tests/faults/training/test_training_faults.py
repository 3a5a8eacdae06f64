"""Rows 20 to 25 and 34 of the list of faults: kills, full disks, damaged checkpoints, payloads, losses that are no number."""

import json
import os
import pickle
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadRequest
from offline_training.datasets.base.sample import Sample
from offline_training.finetuning import finetune as finetune_module
from offline_training.finetuning import training_batches as batches_module
from offline_training.finetuning.config import FinetuneConfig
from offline_training.runs.checkpoint import Checkpoint, clean_checkpoint_folder, load_checkpoint, save_checkpoint
from tests.faults.harness.amount import amount


def checkpoint(step: int) -> Checkpoint:
    tensors = {f"network.{i}": torch.full((64, 64), float(step)) for i in range(20)}
    return Checkpoint(step, tensors, {"seed": 0}, {"best_score": 0.0})


@pytest.mark.slow
def test_a_kill_at_any_moment_of_a_write_leaves_a_whole_checkpoint(tmp_path, figures):
    chance = random.Random(0)
    written, last = 0, tmp_path / "last.json"
    kills = amount(quick=60, long=300)
    for _ in range(kills):
        before = last.stat().st_mtime_ns if last.exists() else 0
        child = os.fork()
        if child == 0:
            step = written
            while True:
                step += 1
                save_checkpoint(tmp_path, checkpoint(step))
        while not last.exists() or last.stat().st_mtime_ns == before:
            time.sleep(0.001)
        time.sleep(chance.uniform(0.0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        loaded = load_checkpoint(tmp_path)
        assert loaded.step > written
        assert all(float(tensor.mean()) == loaded.step for tensor in loaded.tensors.values())
        written = loaded.step
    figures.count("kills", kills)
    clean_checkpoint_folder(tmp_path)
    assert not list(tmp_path.glob(".*.tmp"))
    assert len(list(tmp_path.glob("*.safetensors"))) <= 2


@pytest.mark.slow
def test_a_checkpoint_that_was_altered_anywhere_is_refused_and_the_one_before_offered(tmp_path, figures):
    chance = random.Random(1)
    for step in (1, 2):
        save_checkpoint(tmp_path, checkpoint(step))
    last = tmp_path / "last.json"
    tensors = tmp_path / json.loads(last.read_text())["tensors"]
    alterations = amount(quick=500, long=2000)
    for number in range(alterations):
        path = (last, tensors)[number % 2]
        whole = path.read_bytes()
        if number % 3 == 0:
            damaged = whole[: chance.randrange(len(whole))]
        else:
            place = chance.randrange(len(whole))
            damaged = whole[:place] + bytes([whole[place] ^ (1 << chance.randrange(8))]) + whole[place + 1 :]
        path.write_bytes(damaged)
        if path == last and _same_json(damaged, whole):
            path.write_bytes(whole)  # another blank between the same values
            continue
        with pytest.raises(BadCheckpoint, match=r"previous\.json is intact \(step 1\)"):
            load_checkpoint(tmp_path)
        path.write_bytes(whole)
    figures.count("altered checkpoints", alterations)
    assert load_checkpoint(tmp_path).step == 2


def test_tensors_that_are_missing_or_of_another_checkpoint_are_refused(tmp_path):
    for step in (1, 2):
        save_checkpoint(tmp_path, checkpoint(step))
    files = {name: json.loads((tmp_path / f"{name}.json").read_text())["tensors"] for name in ("last", "previous")}
    (tmp_path / files["last"]).write_bytes((tmp_path / files["previous"]).read_bytes())
    with pytest.raises(BadCheckpoint, match="altered"):
        load_checkpoint(tmp_path)
    (tmp_path / files["last"]).unlink()
    (tmp_path / files["previous"]).unlink()
    with pytest.raises(BadCheckpoint, match="no intact checkpoint"):
        load_checkpoint(tmp_path)


class Payload:
    """Unpickling it makes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.canary,))


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_checkpoint_with_a_payload_runs_nothing(tmp_path, protocol, wrapped):
    canary = tmp_path / "canary"
    content = pickle.dumps(Payload(canary), protocol)
    if wrapped:  # as torch.save would write it
        torch.save({"state": Payload(canary)}, tmp_path / "wrapped.pt", pickle_protocol=max(protocol, 2))
        content = (tmp_path / "wrapped.pt").read_bytes()
    folder = tmp_path / "run"
    save_checkpoint(folder, checkpoint(1))
    _forge(folder, content)
    with pytest.raises(BadCheckpoint, match="expected safetensors"):
        load_checkpoint(folder)
    (folder / "last.json").write_bytes(content)
    with pytest.raises(BadCheckpoint, match="expected JSON"):
        load_checkpoint(folder)
    assert not canary.exists()


def test_a_place_that_cannot_be_written_is_named_with_the_bytes_needed(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadRequest, match=r"a checkpoint needs \d+ bytes"):
        save_checkpoint(tmp_path / "file" / "checkpoints", checkpoint(1))
    folder = tmp_path / "run"
    save_checkpoint(folder, checkpoint(1))
    (folder / "last.json").unlink()
    (folder / "last.json").mkdir()
    with pytest.raises(BadRequest, match=r"a checkpoint needs \d+ bytes"):
        save_checkpoint(folder, checkpoint(2))


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, checkpoint(1))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadRequest, match="No space left"):
        save_checkpoint(tmp_path, checkpoint(2))
    monkeypatch.undo()
    assert load_checkpoint(tmp_path).step == 1
    assert clean_checkpoint_folder(tmp_path) == 0


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


def _same_json(a: bytes, b: bytes) -> bool:
    try:
        return json.loads(a) == json.loads(b)
    except (ValueError, RecursionError):
        return False


def _forge(folder: Path, content: bytes) -> None:
    """Put other tensors into a checkpoint with all hashes as they should be, as somebody who means harm would."""
    import hashlib

    path = folder / "last.json"
    described = json.loads(path.read_text())
    described.pop("sha256")
    described["tensors_sha256"] = hashlib.sha256(content).hexdigest()
    described["sha256"] = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    (folder / described["tensors"]).write_bytes(content)
    path.write_text(json.dumps(described))
