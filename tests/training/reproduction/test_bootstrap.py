"""Differences of mean IoU with intervals from drawing seeds and scenes anew."""

import numpy as np
import pytest

from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from offline_training.reproduction.base.bootstrap import bootstrap_difference, mean_iou
from offline_training.reproduction.base.cells import Cell
from offline_training.reproduction.base.table import markdown_table
from offline_training.reproduction.studies import load_study
from offline_training.words.evaluation.evaluate_language import counts_of_classes

CLASSES, POINTS = 4, 400


def confusions(right: float, seed: int, scenes: int = 12) -> dict[str, ConfusionMatrix]:
    """Of scenes whose points are answered rightly as often as `right` says, some scenes harder for everybody."""
    rng, hardness = np.random.default_rng(seed), np.random.default_rng(99).uniform(0.5, 1.0, scenes)
    found = {}
    for number in range(scenes):
        truth = rng.integers(CLASSES, size=POINTS)
        answer = np.where(rng.random(POINTS) < right * hardness[number], truth, rng.integers(CLASSES, size=POINTS))
        found[f"scene{number}"] = ConfusionMatrix(CLASSES)
        found[f"scene{number}"].add(truth, answer)
    return found


def counts(right: float, seed: int) -> dict[str, list[list[int]]]:
    return {name: counts_of_classes(each) for name, each in confusions(right, seed).items()}


def test_the_counts_of_scenes_give_the_mean_iou_of_their_pooled_confusion():
    of_scene = confusions(0.6, 0)
    pooled = ConfusionMatrix(CLASSES)
    for each in of_scene.values():
        pooled.merge(each)
    summed = np.array([counts_of_classes(each) for each in of_scene.values()]).sum(axis=0)
    assert mean_iou(summed) == pytest.approx(pooled.mean_iou())


def test_a_class_that_no_scene_has_counts_for_nothing():
    assert mean_iou(np.array([[2, 0], [4, 0], [2, 1]])) == pytest.approx(0.5)


def test_a_clear_lead_leaves_out_0_and_chance_does_not():
    draws = range(3)
    ahead = bootstrap_difference([counts(0.5, seed) for seed in draws], [counts(0.7, seed + 10) for seed in draws])
    assert 0 < ahead.lower < ahead.mean < ahead.upper
    level = bootstrap_difference([counts(0.5, seed) for seed in draws], [counts(0.5, seed + 10) for seed in draws])
    assert level.lower < 0 < level.upper


def test_a_row_is_not_ahead_of_itself():
    draws = [counts(0.5, seed) for seed in range(2)]
    same = bootstrap_difference(draws, draws)
    assert (same.mean, same.lower, same.upper) == (0.0, 0.0, 0.0)


def test_the_interval_is_that_of_a_plain_bootstrap_that_leaves_one_out():
    first, second = ([counts(share, seed) for seed in range(2)] for share in (0.5, 0.6))
    rng, names = np.random.default_rng(5), list(first[0])
    plain = []
    for _ in range(600):
        scenes = rng.choice(names, len(names) - 1)
        draws = rng.integers(2, size=1)
        of_row = [
            np.mean([mean_iou(np.sum([row[draw][name] for name in scenes], axis=0)) for draw in draws])
            for row in (first, second)
        ]
        plain.append(100 * (of_row[1] - of_row[0]))
    ahead = bootstrap_difference(first, second)
    assert (ahead.lower, ahead.upper) == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), abs=0.6)


def test_rows_of_other_scenes_are_refused():
    with pytest.raises(ValueError, match="same scenes"):
        bootstrap_difference([{"a": [[1], [1], [1]]}], [{"b": [[1], [1], [1]]}])


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
    ahead = bootstrap_difference([counts(0.4, 0), counts(0.4, 1)], [counts(0.8, 0), counts(0.8, 1)])
    assert f"{ahead.mean:+.2f} ({ahead.lower:+.2f} to {ahead.upper:+.2f})" in line
