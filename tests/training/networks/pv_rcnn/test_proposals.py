"""Proposals of PV-RCNN: which are drawn, what they should say, and grids and codes in their frames."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.points_in_boxes import box_of_points
from offline_training.networks.pv_rcnn.proposals import codes_in_proposals, draw_proposals, proposal_targets
from offline_training.networks.pv_rcnn.roi_head import grid_points, refined_boxes


def made_boxes(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.normal(0, 5, (count, 3)), rng.uniform(0.5, 4, (count, 3)), rng.uniform(-7, 7, count)])


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.56, 0.9]), min_size=1, max_size=300), st.integers(0, 99))
def test_half_of_the_drawn_are_good_at_most_and_four_in_five_of_the_others_are_near(overlap, seed):
    overlap = np.array(overlap)
    drawn = overlap[draw_proposals(overlap, np.random.default_rng(seed))]
    good, hard, easy = (
        np.count_nonzero(part) for part in (overlap >= 0.55, (overlap < 0.55) & (overlap >= 0.1), overlap < 0.1)
    )
    assert len(drawn) == 128
    positives = np.count_nonzero(drawn >= 0.55)
    assert positives == (min(good, 64) if hard + easy else 128)
    others = 128 - positives
    if hard and easy:
        assert np.count_nonzero((drawn < 0.55) & (drawn >= 0.1)) == min(int(0.8 * others), hard)
    elif hard:
        assert np.count_nonzero(drawn < 0.1) == 0


def test_without_proposals_none_is_drawn_and_without_truth_all_are_wrong():
    nothing = Boxes3d.of(np.empty((0, 7)), [])
    some = Boxes3d.of(made_boxes(0, 5), [0] * 5)
    rng = np.random.default_rng(0)
    assert len(proposal_targets(nothing, some, rng).overlap) == 0
    targets = proposal_targets(some, nothing, rng)
    assert targets.overlap.tolist() == [0.0] * 128
    assert not targets.is_positive.any()


def test_a_proposal_belongs_to_the_box_of_its_class_that_it_overlaps_most():
    truth = Boxes3d.of(
        np.array([[0, 0, 0, 4, 2, 2, 0], [0.5, 0, 0, 4, 2, 2, 0], [9, 9, 0, 4, 2, 2, 0]], float), [0, 1, 0]
    )
    proposals = Boxes3d.of(np.array([[0.4, 0, 0, 4, 2, 2, 0], [30, 0, 0, 4, 2, 2, 0]], float), [0, 1])
    targets = proposal_targets(proposals, truth, np.random.default_rng(0))
    first = targets.boxes[:, 0] == 0.4
    assert first.any()
    np.testing.assert_array_equal(targets.truth[first], np.tile(truth.boxes[0], (first.sum(), 1)))
    np.testing.assert_allclose(targets.overlap[first], 3.6 / 4.4)
    assert targets.is_positive[first].all()
    np.testing.assert_array_equal(targets.overlap[~first], 0)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_codes_in_a_proposal_give_the_box_again_or_turned_by_half(seed):
    truth, proposals = (torch.from_numpy(made_boxes(seed + step, 12)) for step in (0, 1))
    found = refined_boxes(codes_in_proposals(truth, proposals), proposals)
    torch.testing.assert_close(found[:, :6], truth[:, :6])
    np.testing.assert_allclose((found[:, 6] - truth[:, 6]).sin(), 0, atol=1e-9)
    assert float((found[:, 6] - proposals[:, 6]).abs().max()) <= math.pi / 2 + 1e-9


def test_the_grid_of_a_proposal_fills_it_evenly():
    boxes = made_boxes(3, 4)
    points = grid_points(torch.from_numpy(boxes)).numpy()
    for box, grid in zip(boxes, points, strict=True):
        assert (box_of_points(grid.astype(np.float32), box[None]) == 0).all()
        np.testing.assert_allclose(grid.mean(axis=0), box[:3], atol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(grid[1] - grid[0]), box[5] / 6)  # the height is fastest
        np.testing.assert_allclose(np.linalg.norm(grid[36] - grid[0]), box[3] / 6)
        along = (grid[36] - grid[0]) / (box[3] / 6)
        assert along[:2] == pytest.approx([math.cos(box[6]), math.sin(box[6])])
