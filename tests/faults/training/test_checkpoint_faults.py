"""Rows 20 to 25 of the list of faults: kills, full disks, damaged checkpoints, payloads."""

import json
import os
import pickle
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint, BadRequest
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
