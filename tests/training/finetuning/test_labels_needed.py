"""A training on data without labels, which would learn nothing and look whole, is refused before its first step."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from lidar_vl_core.foundation.errors import BadLabels
from offline_training.datasets.base.sample import Sample
from offline_training.finetuning import finetune as finetune_module
from offline_training.finetuning.finetune import finetune
from tests.training.finetuning.rooms import Rooms, config

VALIDATION = [{"kind": "pandaset", "folder": "others"}]


class Unlabelled(Rooms):
    """Rooms of which only some have labels."""

    def __init__(self, labelled: tuple[int, ...] = ()) -> None:
        self.labelled = labelled

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        return sample if index in self.labelled else replace(sample, class_id=None)


def use(monkeypatch: pytest.MonkeyPatch, train: Rooms, validation: Rooms) -> None:
    of_folder = {"unused": train, "others": validation}
    monkeypatch.setattr(finetune_module, "open_source", lambda source, *_: of_folder[source.folder])


def test_training_data_without_labels_are_refused_by_name(tmp_path, monkeypatch):
    use(monkeypatch, Unlabelled(), Rooms())
    with pytest.raises(
        BadLabels, match="pandaset unused: expected labelled points, found none in 6 of 6 scans, room0 first"
    ):
        finetune(config(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_validation_data_without_labels_are_refused_before_the_first_step(tmp_path, monkeypatch):
    use(monkeypatch, Rooms(), Unlabelled())
    with pytest.raises(BadLabels, match="pandaset others: expected labelled points"):
        finetune(config(tmp_path / "run", validation=VALIDATION))
    assert not (tmp_path / "run").exists()


def test_some_scans_without_labels_are_told_and_trained_beside(tmp_path, monkeypatch, caplog):
    use(monkeypatch, Unlabelled((0, 1, 2)), Rooms())
    with caplog.at_level(logging.WARNING):
        assert Path(finetune(config(tmp_path, max_steps=1))).is_file()
    assert "pandaset unused: 3 of 6 scans looked at have no labelled point in the grid, room3 first" in caplog.text


def test_labels_that_all_lie_outside_the_grid_are_refused_with_its_range(tmp_path, monkeypatch):
    use(monkeypatch, Rooms(), Rooms())
    with pytest.raises(BadLabels, match=r"within point_cloud_range .*100.* found all of them outside in 6 of 6 scans"):
        finetune(config(tmp_path / "run", point_cloud_range=[100.0, 100.0, -8.0, 132.0, 132.0, 8.0]))
