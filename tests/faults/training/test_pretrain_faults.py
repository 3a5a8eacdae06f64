"""Pre-training that is killed, spoilt or starved of finite numbers."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from offline_training.pretraining import pretrain as pretrain_module
from offline_training.pretraining.base import contrastive
from offline_training.pretraining.pretrain import pretrain
from offline_training.runs.checkpoint import load_checkpoint
from tests.training.pretraining.pretrain_scenes import Rooms, config
from tests.training.training_log import losses, wait_for_steps

_REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain_module, "open_source", lambda *_: Rooms(8))


def child(out: Path, **changes: object) -> subprocess.Popen:
    """The same run in a process of its own."""
    command = [sys.executable, "-m", "tests.training.runs.two_rank_pretrain", str(out), json.dumps(changes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, cwd=_REPOSITORY, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_after_kill_9_it_goes_on_to_the_same_losses_and_weights(tmp_path):
    changes = {"max_steps": 12, "checkpoint_every": 2}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = child(killed, **changes)
    wait_for_steps(killed, 5, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert 0 < load_checkpoint(killed / "checkpoints").step < 12
    one = load_checkpoint(pretrain(config(killed, **changes))).tensors
    other = load_checkpoint(pretrain(config(whole, **changes))).tensors
    assert losses(killed) == losses(whole)
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.slow
def test_a_sigterm_ends_it_with_a_checkpoint_of_the_step_it_was_at(tmp_path):
    process = child(tmp_path, max_steps=100000)
    wait_for_steps(tmp_path, 2, process)
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=300)[1].decode()
    assert process.returncode == 143, told
    assert load_checkpoint(tmp_path / "checkpoints").step == len(losses(tmp_path))


def spoil(monkeypatch: pytest.MonkeyPatch, value: float, steps: range) -> None:
    """Make the point-pixel loss of some steps a number that is none."""
    right, calls = contrastive.paired_info_nce, iter(range(1000))

    def sometimes_wrong(*arguments: object) -> torch.Tensor:
        loss = right(*arguments)
        return loss * value if next(calls) in steps else loss

    monkeypatch.setattr(contrastive, "paired_info_nce", sometimes_wrong)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_step_whose_loss_is_no_number_is_left_out_and_leaves_no_trace(tmp_path, monkeypatch, value):
    spoil(monkeypatch, value, range(1, 3))
    loaded = load_checkpoint(pretrain(config(tmp_path, max_steps=5, vmf_freeze_step=1)))
    assert loaded.step == 5
    assert loaded.state["bad_steps"] == 2
    assert all(bool(tensor.isfinite().all()) for tensor in loaded.tensors.values())
    assert float(loaded.tensors["objective.statistics.gathered_weight"].max()) == 0.5  # one step counted, one did not


def test_ten_bad_steps_in_a_row_end_the_run_and_the_last_good_checkpoint_stays(tmp_path, monkeypatch):
    spoil(monkeypatch, float("nan"), range(2, 1000))
    with pytest.raises(BadConfig, match=r"step 11: .* 10 steps in a row"):
        pretrain(config(tmp_path, max_steps=30, checkpoint_every=2))
    loaded = load_checkpoint(tmp_path / "checkpoints")
    assert all(bool(tensor.isfinite().all()) for tensor in loaded.tensors.values())


def test_other_teacher_weights_are_refused_on_resume(tmp_path):
    from safetensors.torch import save_file

    from offline_training.networks.image.espnet import ESPNet

    weights = tmp_path / "espnet.safetensors"
    for number in range(2):
        torch.manual_seed(number)
        save_file(ESPNet().state_dict(), weights)
        run = config(tmp_path / "run", max_steps=2, teacher_weights=str(weights))
        if number == 0:
            pretrain(run)
    with pytest.raises(BadCheckpoint, match="teacher weights"):
        pretrain(run)
