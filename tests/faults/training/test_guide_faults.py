"""Stages of 3DSS-VLG that are killed, stopped, spoilt or starved of finite numbers."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lidar_vl_core.foundation.errors import BadConfig, BadLabels
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.stopping import RunStopped
from offline_training.words.stages.guidance import guiding_run
from offline_training.words.stages.guidance.guide import guide
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabelStore
from tests.training.training_log import losses, wait_for_steps
from tests.training.words.stages.stage_runs import ready
from tests.training.words.stages.tiny_language import tiny_config, tiny_sample, use_tiny_world, write_tiny_features

_REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _tiny_world(monkeypatch):
    use_tiny_world(monkeypatch)


def stopped_after(steps: int, out: Path, changed: dict, number: signal.Signals) -> int:
    """Run stage 3 in a process of its own and send it a signal after some steps; returns its exit code."""
    command = [sys.executable, "-m", "tests.training.words.stages.tiny_language", str(out), json.dumps(changed)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, cwd=_REPOSITORY, stderr=subprocess.PIPE)
    wait_for_steps(out / "guide", steps, process)
    process.send_signal(number)
    process.communicate()
    return process.returncode


@pytest.mark.slow
def test_after_kill_9_it_goes_on_to_the_same_losses_and_weights(tmp_path):
    changed = {"guide": {"max_steps": 9, "batch_size": 1, "checkpoint_every": 2}}
    config = ready(tiny_config(tmp_path, **changed))
    assert stopped_after(5, tmp_path, changed, signal.SIGKILL) == -signal.SIGKILL
    assert 0 < load_checkpoint(tmp_path / "guide" / "checkpoints").step < 9
    resumed, told = load_checkpoint(guide(config)), losses(tmp_path / "guide")
    (tmp_path / "guide").rename(tmp_path / "resumed")
    whole = load_checkpoint(guide(config))
    assert told == losses(tmp_path / "guide")
    assert len(told) == 9
    assert all(torch.equal(tensor, whole.tensors[name]) for name, tensor in resumed.tensors.items())


def test_a_sigterm_ends_the_run_with_a_checkpoint_it_goes_on_from(tmp_path, monkeypatch):
    config = ready(tiny_config(tmp_path, guide={"max_steps": 6, "batch_size": 1, "checkpoint_every": 100}))
    (right, of_constant), calls = guiding_run._LOSSES["cosine"], iter(range(100))

    def stopped(*rows):
        if next(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return right(*rows)

    monkeypatch.setattr(guiding_run, "_LOSSES", {"cosine": (stopped, of_constant)})
    with pytest.raises(RunStopped, match="stopped at step 3 of 6; saved; the same command resumes") as stopped:
        guide(config)
    assert stopped.value.code == 143
    assert load_checkpoint(tmp_path / "guide" / "checkpoints").step == 3
    assert load_checkpoint(guide(config)).step == 6
    assert len(losses(tmp_path / "guide")) == 6


def _bad_loss(monkeypatch, steps: range) -> None:
    """Make the loss of some steps a number that is none."""
    (right, of_constant), calls = guiding_run._LOSSES["cosine"], iter(range(1000))

    def wrong(*rows):
        return right(*rows) * (np.nan if next(calls) in steps else 1.0)

    monkeypatch.setattr(guiding_run, "_LOSSES", {"cosine": (wrong, of_constant)})


def test_a_step_whose_loss_is_no_number_is_left_out_and_counted(tmp_path, monkeypatch):
    config = ready(tiny_config(tmp_path))
    _bad_loss(monkeypatch, range(1, 3))
    checkpoint = load_checkpoint(guide(config))
    assert checkpoint.state["bad_steps"] == 2
    assert all(bool(torch.isfinite(tensor.float()).all()) for tensor in checkpoint.tensors.values())


def test_ten_bad_steps_in_a_row_end_the_run_with_a_word_on_why(tmp_path, monkeypatch):
    config = ready(tiny_config(tmp_path, guide={"max_steps": 20, "batch_size": 1, "checkpoint_every": 1}))
    _bad_loss(monkeypatch, range(2, 20))
    with pytest.raises(BadConfig, match="10 steps in a row"):
        guide(config)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"\x80\x04."])
def test_damaged_pseudo_labels_are_named(tmp_path, damage):
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    store = PseudoLabelStore(pseudo_label(config))
    (path,) = store.folder.glob("*0000.npz")
    path.write_bytes(damage)
    with pytest.raises(BadLabels, match=r"expected pseudo labels"):
        store.read(tiny_sample(0).name)


def test_a_kill_between_two_scenes_leaves_no_half_file_and_the_rest_is_made_later(tmp_path, monkeypatch):
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    write = PseudoLabelStore.write

    def killed(store, name, labels):
        if name.endswith("2"):
            raise KeyboardInterrupt
        write(store, name, labels)

    monkeypatch.setattr(PseudoLabelStore, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        pseudo_label(config)
    store = PseudoLabelStore(tmp_path / "pseudo_labels")
    with pytest.raises(BadLabels, match="expected the list of all labelled training scenes"):
        store.scenes()
    monkeypatch.setattr(PseudoLabelStore, "write", write)
    pseudo_label(config)
    assert store.scenes() == tuple(tiny_sample(index).name for index in range(3))
