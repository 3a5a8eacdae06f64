"""Rows of a study that keep the counts of their scenes: how they are arranged, and compared in the table."""

import numpy as np
import pytest

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from offline_training.reproduction.base.bootstrap import (
    Interval,
    counts_of_scenes,
    even_weights,
    mean_iou,
    paired_difference,
)
from offline_training.reproduction.base.cells import Cell
from offline_training.reproduction.base.table import markdown_table
from offline_training.reproduction.studies import load_study
from offline_training.words.evaluation.evaluate_language import counts_of_classes

CLASSES, POINTS = 4, 400


def confusions(right: float, seed: int, scenes: int = 12) -> dict[str, ConfusionMatrix]:
    """Of scenes whose points are answered rightly as often as `right` says, some not at all; some scenes harder for everybody."""
    rng, hardness = np.random.default_rng(seed), np.random.default_rng(99).uniform(0.5, 1.0, scenes)
    found = {}
    for number in range(scenes):
        truth = rng.integers(CLASSES, size=POINTS)
        answer = np.where(rng.random(POINTS) < right * hardness[number], truth, rng.integers(CLASSES, size=POINTS))
        answer[rng.random(POINTS) < 0.05] = IGNORE_ID
        found[f"scene{number}"] = ConfusionMatrix(CLASSES)
        found[f"scene{number}"].add(truth, answer)
    return found


def counts(right: float, seed: int) -> dict[str, list[list[int]]]:
    return {name: counts_of_classes(each) for name, each in confusions(right, seed).items()}


def difference(first: list[dict[str, list[list[int]]]], second: list[dict[str, list[list[int]]]]) -> Interval:
    """Of the second less the first."""
    one, other = (counts_of_scenes(row, list(first[0])) for row in (second, first))
    return paired_difference(one, other, 4000, np.random.default_rng(0))


def test_the_counts_of_scenes_give_the_mean_iou_of_their_pooled_confusion():
    of_scene = confusions(0.6, 0)
    pooled = ConfusionMatrix(CLASSES)
    for each in of_scene.values():
        pooled.merge(each)
    arranged = counts_of_scenes([counts(0.6, 0)], sorted(of_scene, reverse=True))
    assert arranged.shape == (1, 1, 12, 3, CLASSES)
    assert mean_iou(arranged, even_weights((1, 1, 12)))[0] == pytest.approx(100.0 * pooled.mean_iou())


def test_a_class_that_no_scene_has_counts_for_nothing():
    one = np.array([[2, 0], [4, 0], [2, 1]])[None, None, None]
    assert mean_iou(one, even_weights((1, 1, 1)))[0] == pytest.approx(50.0)


def test_a_clear_lead_leaves_out_0_and_chance_does_not():
    draws = range(3)
    ahead = difference([counts(0.5, seed) for seed in draws], [counts(0.7, seed + 10) for seed in draws])
    assert 0 < ahead.lower < ahead.value < ahead.upper
    level = difference([counts(0.5, seed) for seed in draws], [counts(0.5, seed + 10) for seed in draws])
    assert level.lower < 0 < level.upper
    assert (ahead.order, level.order) == (1, 0)


def test_rows_of_other_scenes_are_refused():
    with pytest.raises(ValueError, match="same scenes for every seed"):
        counts_of_scenes([{"a": [[1], [1], [1]]}, {"b": [[1], [1], [1]]}], ["a"])


def test_the_table_compares_rows_by_scenes_where_their_counts_are_kept():
    study = load_study("synthetic-detection")
    rows = {"Random": 0.4, "OLIVINE": 0.8}
    cells = [
        Cell(row, "5 % car", seed, 100 * right, {}, "", counts(right, seed))
        for row, right in rows.items()
        for seed in (0, 1)
    ]
    text = markdown_table(study, study.rows, cells)
    line = next(line for line in text.splitlines() if line.startswith("| OLIVINE | - | +") and "to" in line)
    ahead = difference([counts(0.4, 0), counts(0.4, 1)], [counts(0.8, 0), counts(0.8, 1)])
    assert f"{ahead.value:+.2f} ({ahead.lower:+.2f} to {ahead.upper:+.2f})" in line
