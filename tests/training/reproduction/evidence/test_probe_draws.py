"""Draws of labelled scans, the optimum that a probe is, and counts that belong to their draw and street."""

import numpy as np
import pytest
import torch

from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from offline_training.reproduction.evidence.probe_draws import ScanRows, label_draws, linear_probe, probed_counts


def scans(count: int, seed: int, classes: int = 3, rows: int = 40) -> list[ScanRows]:
    rng, middle = np.random.default_rng(seed), np.random.default_rng(9).normal(0, 2, (classes, 5))
    found = []
    for _ in range(count):
        class_id = rng.integers(0, classes, rows).astype(np.uint8)
        found.append(ScanRows((middle[class_id] + rng.normal(size=(rows, 5))).astype(np.float32), class_id))
    return found


def test_draws_are_the_same_whoever_asks_and_have_no_scan_twice():
    draws = label_draws(30, 10, 6)
    assert draws.shape == (6, 10)
    assert all(len(set(draw)) == 10 for draw in draws.tolist())
    assert len({tuple(draw) for draw in draws.tolist()}) == 6
    np.testing.assert_array_equal(draws, label_draws(30, 10, 6))
    np.testing.assert_array_equal(draws[:4], label_draws(30, 10, 4))  # more draws are further ones


def test_a_probe_is_the_optimum_that_slow_gradient_descent_finds():
    rows = scans(2, 1)
    features = np.column_stack([np.concatenate([one.features for one in rows]), np.ones(80)]).astype(np.float32)
    truth = torch.from_numpy(np.concatenate([one.class_id for one in rows])).long()
    weight = torch.bincount(truth).double().rsqrt()

    def loss(weights: torch.Tensor) -> torch.Tensor:
        scores = torch.from_numpy(features).double() @ weights
        pull = 0.5 * 1e-4 * weights.square().sum()
        return torch.nn.functional.cross_entropy(scores, truth, weight) + pull

    slow = torch.zeros(6, 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([slow], lr=0.5, momentum=0.95)
    for _ in range(4000):
        optimizer.zero_grad()
        loss(slow).backward()
        optimizer.step()
    found = torch.from_numpy(linear_probe(features, truth.numpy().astype(np.uint8), 3)).double()
    assert loss(found).item() == pytest.approx(loss(slow).item(), abs=1e-3)


def test_counts_are_those_of_the_confusion_matrix_of_each_draw_and_street():
    pool, test, draws = scans(8, 2), scans(3, 3), np.array([[0, 1], [4, 5]])
    counts = probed_counts(pool, test, draws, 3)
    assert counts.shape == (2, 3, 3, 3)
    every = np.concatenate([one.features for one in pool])
    mean, spread = every.mean(axis=0), every.std(axis=0)

    def seen(features: np.ndarray) -> np.ndarray:
        return np.column_stack([(features - mean) / spread, np.ones(len(features))]).astype(np.float32)

    for draw, places in enumerate(draws):
        taught = [pool[place] for place in places]
        weights = linear_probe(
            seen(np.concatenate([one.features for one in taught])), np.concatenate([one.class_id for one in taught]), 3
        )
        for street, rows in enumerate(test):
            matrix = ConfusionMatrix(3)
            matrix.add(rows.class_id, (seen(rows.features) @ weights).argmax(axis=1))
            square = matrix.counts[:, :3]
            np.testing.assert_array_equal(
                counts[draw, street], [square.diagonal(), square.sum(axis=1), square.sum(axis=0)]
            )


def test_a_class_that_a_draw_does_not_have_is_hardly_ever_answered():
    pool = [ScanRows(one.features[one.class_id != 2], one.class_id[one.class_id != 2]) for one in scans(2, 4)]
    counts = probed_counts(pool, scans(2, 5), np.array([[0, 1]]), 3)
    assert counts[0, :, 2, 2].sum() == pytest.approx(0, abs=1)
