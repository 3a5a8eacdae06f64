"""Quality ring by ring."""

import numpy as np

from lidar_vl_core.evaluation.distance import DistanceQuality


def test_a_point_counts_in_the_ring_it_lies_in_and_one_that_is_nowhere_in_none() -> None:
    quality = DistanceQuality(2)
    x_m = np.array([0.0, 9.99, 10.0, 29.9, 30.0, 50.0, 1e6, np.nan, np.inf])
    xyz_m = np.stack([x_m, np.zeros(9), np.zeros(9)], axis=1).astype(np.float32)
    truth = np.zeros(9, np.uint8)
    quality.add(xyz_m, truth, np.array([0, 1, 0, 0, 1, 0, 0, 1, 1], np.uint8))
    rows = quality.rows()
    assert [(row["from_m"], row["to_m"]) for row in rows] == [(0, 10), (10, 20), (20, 30), (30, 50), (50, None)]
    assert [row["points"] for row in rows] == [2, 1, 1, 1, 2]
    assert [row["accuracy"] for row in rows] == [0.5, 1.0, 1.0, 0.0, 1.0]


def test_a_ring_without_points_has_no_quality() -> None:
    assert {row["mean_iou"] for row in DistanceQuality(3).rows()} == {None}
