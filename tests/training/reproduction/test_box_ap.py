"""A detector's number in a study: measured once for all columns, in percent, and never made up."""

import pytest

import offline_training.evaluation.evaluate as evaluating
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadLabels
from offline_training.datasets.data_sources import data_source
from offline_training.reproduction.pretraining.box_ap import box_ap
from offline_training.reproduction.pretraining.pretraining_study import PretrainingColumn

SOURCES = [data_source({"kind": "pandaset", "folder": folder}, "test") for folder in ("a", "b")]


def quality(folder, score, by_class):
    return {"folder": folder, "score": score, "class_scores": by_class}


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A finished run, and how often it was evaluated."""
    path = tmp_path / "checkpoints" / "last.json"
    path.parent.mkdir()
    path.write_text("{}")
    calls: list[object] = []

    def evaluate(*told, threads):
        calls.append(told)
        found = [quality("a", 0.2, {"car": 0.4, "bus": None}), quality("b", 0.4, {"car": 0.8, "bus": 0.1})]
        return evaluating.Evaluation({"sources": found}, "", [])

    monkeypatch.setattr(evaluating, "evaluate", evaluate)
    return path, calls


def test_columns_share_one_measurement(checkpoint):
    path, calls = checkpoint
    assert box_ap(path, SOURCES, None, 1)[:2] == (pytest.approx(30.0), {})
    assert box_ap(path, SOURCES, "car", 1)[0] == pytest.approx(60.0)
    assert len(calls) == 1
    path.write_text('{"step": 2}')  # the run went on
    box_ap(path, SOURCES, "car", 1)
    assert len(calls) == 2


def test_a_class_that_the_truth_does_not_have_is_no_zero(checkpoint):
    path, _ = checkpoint
    for name in ("bus", "tram"):
        with pytest.raises(BadLabels, match=f"expected boxes of {name} in the truth"):
            box_ap(path, SOURCES, name, 1)


def test_a_class_is_asked_of_boxes_alone():
    column = {"name": "c", "recipe": "finetune/synthetic.yaml", "box_class": "car"}
    with pytest.raises(BadConfig, match="box_class is for box_ap only"):
        validated(PretrainingColumn, column, "test")
