"""The paired bootstrap against loops that pool confusion matrices one by one, and what an interval says."""

import numpy as np
import pytest

from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from offline_training.reproduction.base.bootstrap import (
    Interval,
    Weights,
    bootstrap_weights,
    even_weights,
    mean_iou,
    paired_difference,
)

CLASSES = 4


def matrices(shape: tuple[int, int, int], seed: int) -> list[list[list[ConfusionMatrix]]]:
    """Of each seed, draw and street; the last class is on the first street alone."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(shape[0]):
        found.append([[ConfusionMatrix(CLASSES) for _ in range(shape[2])] for _ in range(shape[1])])
        for of_draw in found[-1]:
            for street, matrix in enumerate(of_draw):
                truth = np.random.default_rng(street).integers(0, CLASSES if street == 0 else CLASSES - 1, 60)
                answer = np.where(rng.random(60) < 0.6, truth, rng.integers(0, CLASSES, 60))
                matrix.add(truth, answer)
    return found


def counts_of(all_matrices: list[list[list[ConfusionMatrix]]]) -> np.ndarray:
    def three(matrix: ConfusionMatrix) -> list[np.ndarray]:
        square = matrix.counts[:, :CLASSES]
        return [square.diagonal(), square.sum(axis=1), square.sum(axis=0)]

    return np.array([[[three(matrix) for matrix in draw] for draw in run] for run in all_matrices])


def slow_mean_iou(all_matrices: list[list[list[ConfusionMatrix]]], weights: Weights, replicate: int) -> float:
    """Streets are whole numbers here: each is merged as often as it was drawn."""
    total = 0.0
    streets = len(all_matrices[0][0])
    for run, of_run in enumerate(all_matrices):
        for draw, of_draw in enumerate(of_run):
            pooled = ConfusionMatrix(CLASSES)
            for street, matrix in enumerate(of_draw):
                for _ in range(round(weights.scenes[replicate, street] * (streets - 1))):
                    pooled.merge(matrix)
            total += weights.seeds[replicate, run] * weights.draws[replicate, draw] * pooled.mean_iou()
    return 100.0 * total


def test_every_replicate_is_what_loops_over_pooled_matrices_find():
    shape = (3, 4, 5)
    found = matrices(shape, 1)
    weights = bootstrap_weights(shape, 40, np.random.default_rng(0))
    slow = [slow_mean_iou(found, weights, replicate) for replicate in range(40)]
    np.testing.assert_allclose(mean_iou(counts_of(found), weights), slow, atol=1e-9)


def test_what_was_measured_is_the_mean_over_seeds_and_draws_of_the_pooled_mean_iou():
    found = matrices((2, 3, 4), 2)
    slow = []
    for of_run in found:
        for of_draw in of_run:
            pooled = ConfusionMatrix(CLASSES)
            for matrix in of_draw:
                pooled.merge(matrix)
            slow.append(pooled.mean_iou())
    assert mean_iou(counts_of(found), even_weights((2, 3, 4)))[0] == pytest.approx(100.0 * np.mean(slow))


def test_each_replicate_draws_one_fewer_than_there_are_and_a_single_one_always():
    weights = bootstrap_weights((1, 10, 6), 200, np.random.default_rng(3))
    assert (weights.seeds == 1.0).all()
    for shares, count in ((weights.draws, 10), (weights.scenes, 6)):
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        np.testing.assert_allclose(shares * (count - 1), (shares * (count - 1)).round(), atol=1e-9)
    # n - 1 out of n: the variance of a mean of three values is their sample variance over three.
    shares, values = bootstrap_weights((3, 1, 1), 200_000, np.random.default_rng(4)).seeds, np.array([1.0, 2.0, 6.0])
    assert (shares @ values).var() == pytest.approx(values.var(ddof=1) / 3, rel=0.02)


@pytest.mark.parametrize("seeds", [2, 3])
def test_where_seeds_alone_vary_an_interval_of_few_reaches_from_the_worst_to_the_best_and_no_further(seeds):
    other = np.tile(np.array([[5, 5], [10, 10], [10, 10]]), (seeds, 4, 6, 1, 1))
    one = other.copy()
    one[:, :, :, 0] += np.array([1, 4, 2])[:seeds, None, None, None]
    apart = [mean_iou(one[[k]], even_weights((1, 4, 6)))[0] - mean_iou(other[[k]], even_weights((1, 4, 6)))[0]
             for k in range(seeds)]  # fmt: skip
    found = paired_difference(one, other, 2000, np.random.default_rng(0))
    assert (found.lower, found.upper) == pytest.approx((min(apart), max(apart)))


def test_a_row_less_itself_is_nothing_and_what_both_share_is_paired_away():
    one = counts_of(matrices((2, 5, 6), 5))
    same = paired_difference(one, one, 50, np.random.default_rng(0))
    assert (same.value, same.lower, same.upper, same.order) == (0.0, 0.0, 0.0, 0)
    better = one.copy()
    better[:, :, :, 0] = np.minimum(one[:, :, :, 0] + 2, np.minimum(one[:, :, :, 1], one[:, :, :, 2]))
    paired = paired_difference(better, one, 400, np.random.default_rng(0))
    apart = mean_iou(one, bootstrap_weights((2, 5, 6), 400, np.random.default_rng(0)))
    assert paired.lower < paired.value < paired.upper
    assert paired.upper - paired.lower < np.ptp(np.percentile(apart, [2.5, 97.5]))
    assert paired.order == 1


def test_rows_of_other_draws_are_not_compared():
    with pytest.raises(ValueError, match="the same seeds, draws and scenes"):
        paired_difference(np.zeros((1, 2, 3, 3, 4)), np.zeros((1, 3, 3, 3, 4)), 5, np.random.default_rng(0))


@pytest.mark.parametrize(("lower", "upper", "order"), [(0.1, 2.0, 1), (-2.0, -0.1, -1), (-0.1, 2.0, 0), (0.0, 2.0, 0)])
def test_an_order_is_one_where_the_interval_leaves_out_0(lower, upper, order):
    assert Interval(1.0, lower, upper).order == order
