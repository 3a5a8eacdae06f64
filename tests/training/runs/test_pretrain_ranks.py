"""Two processes on the CPU (gloo) against one with the joined batch; and a run that is told to stop."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from offline_training.runs.checkpoint import load_checkpoint
from tests.training.runs.two_rank_pretrain import free_port, main, start
from tests.training.training_log import losses

TWO_SOURCES = {
    "train": [{"kind": "pandaset", "folder": name, "weight": weight} for name, weight in (("one", 3.0), ("two", 1.0))],
    "order": "weights",
}


def ended(children: list[subprocess.Popen]) -> list[str]:
    """What each child told until its end; those that do not come to one are killed."""
    try:
        return [child.communicate(timeout=300)[1].decode() for child in children]
    finally:
        for child in children:
            child.kill()


def run_two(out: Path, changes: dict) -> None:
    port = free_port()
    children = [start(out, rank, port, changes) for rank in (0, 1)]
    told = ended(children)
    assert [child.returncode for child in children] == [0, 0], told


# Holds with norms that do not look at the batch (on CPUs each process norms by its own), with negatives gathered, and with
# draws that take every pair: then each loss is one formula over the joined pairs.
@pytest.mark.slow
@pytest.mark.parametrize("data", [{}, TWO_SOURCES], ids=["one data set", "two by weight"])
def test_two_processes_with_gathered_negatives_and_fixed_norms_equal_one_with_the_joined_batch(
    tmp_path, monkeypatch, data
):
    changes = {
        **data,
        "gather_negatives": True,
        "fixed_norm": True,
        "matches": 100000,
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "max_steps": 3,
    }
    run_two(tmp_path / "two", {**changes, "batch_size": 1})
    from offline_training.pretraining import pretrain as pretrain_module

    for name in ("open_source", "Pretraining"):
        monkeypatch.setattr(pretrain_module, name, getattr(pretrain_module, name))
    right = pretrain_module.Pretraining.on_train_start
    monkeypatch.setattr(pretrain_module.Pretraining, "on_train_start", right)
    main(tmp_path / "one", {**changes, "batch_size": 2})
    two, one = (load_checkpoint(tmp_path / name / "checkpoints").tensors for name in ("two", "one"))
    assert two.keys() == one.keys()
    for name, tensor in two.items():
        torch.testing.assert_close(tensor, one[name], rtol=1e-3, atol=1e-5, msg=name)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)


@pytest.mark.slow
def test_a_sigterm_to_one_of_two_processes_ends_both_with_one_checkpoint(tmp_path):
    port = free_port()
    children = [start(tmp_path, rank, port, {"max_steps": 100000, "batch_size": 1}) for rank in (0, 1)]
    log, deadline = tmp_path / "metrics.jsonl", time.monotonic() + 300
    while not (log.is_file() and log.read_text().count("\n") >= 2):
        assert [child.poll() for child in children] == [None, None]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children[1].send_signal(signal.SIGTERM)
    told = ended(children)
    assert [child.returncode for child in children] == [143, 143], told
    written = len(log.read_text().splitlines())
    assert load_checkpoint(tmp_path / "checkpoints").step == written
