"""Differences of a study's rows to the first one, paired over the seeds."""

import pytest
from scipy.stats import ttest_rel

from offline_training.reproduction.base.cells import Cell
from offline_training.reproduction.base.paired import paired_interval
from offline_training.reproduction.base.table import markdown_table
from offline_training.reproduction.studies import load_study

RANDOM, OLIVINE = (19.5, 17.6, 20.4), (20.7, 17.9, 21.5)


def cells(row: str, values: tuple[float, ...], first_seed: int = 0) -> list[Cell]:
    return [Cell(row, "5 % car", seed, value, {}, "") for seed, value in enumerate(values, first_seed)]


def test_the_interval_is_that_of_the_paired_test():
    lower, upper = paired_interval([ours - theirs for ours, theirs in zip(OLIVINE, RANDOM, strict=True)])
    expected = ttest_rel(OLIVINE, RANDOM).confidence_interval(0.95)
    assert (lower, upper) == pytest.approx((expected.low, expected.high))


def test_the_table_tells_how_far_a_row_is_from_the_first_one():
    study = load_study("synthetic-detection")
    text = markdown_table(study, study.rows, [*cells("Random", RANDOM), *cells("OLIVINE", OLIVINE)])
    assert "| OLIVINE | - | +0.87 (-0.36 to +2.09) | - | - |" in text


def test_seeds_that_one_row_lacks_are_no_pairs():
    study = load_study("synthetic-detection")
    text = markdown_table(study, study.rows, [*cells("Random", RANDOM), *cells("OLIVINE", OLIVINE[:1], first_seed=2)])
    assert "paired" not in text
