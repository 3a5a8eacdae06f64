"""Stage 2 goes on after a stop to the same bits, and with more epochs as if they had been asked for at once."""

import shutil
import signal
from functools import partial

import pytest
import torch

from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.stopping import RunStopped
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.stages.adapter.specialise import _Specialising, adapter_sha256, load_adapter, specialise
from tests.training.training_log import lines

pytestmark = pytest.mark.usefixtures("tiny_world")


def _ctrl_c(times: int = 1) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("signals", "told", "saved"),
    [
        (_ctrl_c, "stopped after epoch 6 of 8; saved; the same command resumes", 6),
        (partial(_ctrl_c, 2), "", 5),
    ],
    ids=["once", "twice"],
)
def test_it_goes_on_after_a_stop_to_the_same_bits(config, tmp_path, monkeypatch, signals, told, saved):
    epochs = iter(range(100))
    train_epoch = _Specialising.train_epoch

    def stopped(run, stop):
        if next(epochs) == 6:
            signals()
        train_epoch(run, stop)

    longer = config.model_copy(update={"specialise": config.specialise.model_copy(update={"epochs": 8})})
    monkeypatch.setattr(_Specialising, "train_epoch", stopped)
    with pytest.raises((KeyboardInterrupt, RunStopped)) as ended:
        specialise(longer)
    assert str(ended.value) == told
    assert load_checkpoint(tmp_path / "adapter" / "checkpoints").step == saved
    monkeypatch.setattr(_Specialising, "train_epoch", train_epoch)
    specialise(longer)
    resumed, told = load_checkpoint(tmp_path / "adapter" / "checkpoints").tensors, lines(tmp_path / "adapter")
    (tmp_path / "adapter").rename(tmp_path / "resumed")
    specialise(longer)
    whole = load_checkpoint(tmp_path / "adapter" / "checkpoints").tensors
    assert all(torch.equal(tensor, whole[name]) for name, tensor in resumed.items())
    assert told == lines(tmp_path / "adapter")


def test_features_of_an_older_adapter_are_not_read_while_those_of_a_new_one_are_written(config, tmp_path, monkeypatch):
    folder = specialise(config)
    shutil.rmtree(tmp_path / "adapter")
    other = config.model_copy(update={"seed": 1})
    announce = FeatureStore.announce

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(FeatureStore, "announce", killed)
    with pytest.raises(KeyboardInterrupt):
        specialise(other)
    monkeypatch.setattr(FeatureStore, "announce", announce)
    with pytest.raises(BadDataset, match="expected features of scenes, found none"):
        FeatureStore(folder)
    specialise(other)
    assert FeatureStore(folder).identity["adapter_sha256"] == adapter_sha256(load_adapter(config))


def test_a_second_run_does_nothing_anew(config, tmp_path):
    folder = specialise(config)
    before = {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*.npz"))}
    specialise(config)
    assert {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*.npz"))} == before
    assert len(before) == 3
    assert len(lines(tmp_path / "adapter")) == 6


def test_more_epochs_go_on_from_the_last_one_as_if_they_had_been_asked_for_at_once(config, tmp_path):
    longer = config.model_copy(update={"specialise": config.specialise.model_copy(update={"epochs": 8})})
    specialise(config)
    specialise(longer)
    extended = load_checkpoint(tmp_path / "adapter" / "checkpoints")
    shutil.rmtree(tmp_path / "adapter")
    specialise(longer)
    whole = load_checkpoint(tmp_path / "adapter" / "checkpoints")
    assert (extended.step, whole.step) == (8, 8)
    assert all(torch.equal(tensor, whole.tensors[name]) for name, tensor in extended.tensors.items())
    with pytest.raises(BadConfig, match=r"specialise\.epochs: expected at least the 8 epochs"):
        specialise(config)
