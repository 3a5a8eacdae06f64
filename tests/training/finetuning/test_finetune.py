"""A short training run: it learns, writes what it did, is evaluated, and leaves the process as it was."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.cli.main import main
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.evaluation import judged_points as judged_points_module
from offline_training.finetuning.evaluate import load_network, predict
from offline_training.finetuning.finetune import finetune
from offline_training.finetuning.optimisation import learning_rate
from offline_training.runs.checkpoint import load_checkpoint
from tests.training.finetuning.rooms import NOBODY, Rooms, config
from tests.training.training_log import losses

pytestmark = pytest.mark.usefixtures("rooms_for_training")

NUSCENES_16 = class_table("nuscenes16")


@pytest.mark.slow
def test_it_learns_to_tell_ground_from_walls_and_writes_what_it_did(tmp_path):
    run = config(
        tmp_path, max_steps=30, validate_every=15, validation=[{"kind": "pandaset", "folder": "unused"}], ema_decay=0.9
    )
    path = finetune(run)
    assert losses(tmp_path)[29] < 0.5 * losses(tmp_path)[0]
    network, stored = load_network(path)
    scan = labelled_scan(Rooms()[0])
    answer = predict(network, stored, scan)
    assert (answer == scan.class_id)[scan.class_id != NOBODY].mean() > 0.95
    assert load_checkpoint(tmp_path / "checkpoints" / "best.json").step in (15, 30)
    assert list((tmp_path / "tensorboard").glob("events*"))


@pytest.mark.slow
def test_half_precision_trains_too(tmp_path):
    finetune(config(tmp_path, max_steps=6, precision="bf16-mixed"))
    exact = config(tmp_path / "exact", max_steps=6)
    finetune(exact)
    assert losses(tmp_path)[0] == pytest.approx(losses(tmp_path / "exact")[0], rel=0.02)
    assert losses(tmp_path)[5] < losses(tmp_path)[0]


def test_evaluation_writes_the_metrics_it_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(judged_points_module, "open_source", lambda *_: Rooms())
    finetune(config(tmp_path, validation=[{"kind": "pandaset", "folder": "rooms"}]))
    out = tmp_path / "metrics.json"
    assert main(["evaluate", str(tmp_path / "checkpoints"), "--out", str(out)]) == 0
    metrics = json.loads(out.read_text())
    assert metrics["pooled"]["points"] == 6 * 900 - 6 * 18
    printed = capsys.readouterr().out
    for key in ("mean_iou", "mean_iou_benchmark", "accuracy"):
        assert f"{100 * metrics['pooled'][key]:.1f}" in printed
    assert all(name in printed for name in NUSCENES_16.names)


def test_a_finished_run_is_not_done_again(tmp_path):
    first = finetune(config(tmp_path, max_steps=2)).read_bytes()
    assert finetune(config(tmp_path, max_steps=2)).read_bytes() == first


def test_many_runs_in_one_process_leave_nothing_behind(tmp_path):
    """No thread, no open file, and torch's and Lightning's settings as they were."""

    def settings_of_the_process() -> tuple:
        return (
            torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.initial_seed(), torch.get_rng_state().sum(),
            logging.getLogger("lightning.pytorch").level, list(warnings.filters), threading.active_count(),
            signal.getsignal(signal.SIGTERM), len(list(Path("/proc/self/fd").iterdir())),
        )  # fmt: skip

    finetune(config(tmp_path / "first", max_steps=1))
    torch.set_num_threads(2)
    before = settings_of_the_process()
    for run in range(3):
        finetune(config(tmp_path / str(run), max_steps=1, threads=1))
    assert settings_of_the_process() == before
    with pytest.raises(BadConfig):
        finetune(config(tmp_path / "wrong", max_steps=1, device="cuda"))
    assert settings_of_the_process() == before


def test_the_learning_rate_rises_then_falls_and_ends_at_its_share():
    run = config(Path("unused"), max_steps=100, warm_up=0.1, final_rate=0.01)
    rates = [learning_rate(run, step) for step in range(100)]
    peak = int(np.argmax(rates))
    assert 8 <= peak <= 10
    assert max(rates) <= 0.01
    assert rates[-1] == pytest.approx(0.0001)
    assert (np.diff(rates[:9]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()


def test_the_commands_answer_help_at_once():
    before = os.times().children_user
    subprocess.run([sys.executable, "-m", "offline_training.cli", "--help"], check=True, capture_output=True)
    assert os.times().children_user - before < 0.5
