"""Anchors answer for boxes: IoU, matching, codes and directions against definitions written out."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.box_heads.anchor_maps import turned_by_direction
from lidar_vl_core.box_heads.anchors import KITTI_ANCHORS, anchor_boxes, boxes_of_codes
from lidar_vl_core.boxes.iou import bev_iou
from offline_training.losses.detection.second import BACKGROUND, IGNORED
from offline_training.networks.second.assignment import (
    KITTI_THRESHOLDS,
    assign_anchors,
    direction_of,
    encode_boxes,
    nearest_bev_iou,
)

RANGE = (0.0, -6.4, -3.0, 12.8, 6.4, 1.0)
ANCHORS = torch.from_numpy(anchor_boxes(KITTI_ANCHORS, RANGE, (16, 16)))


def random_boxes(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [
            rng.uniform((0, -6.4, -2), (12.8, 6.4, 0), (count, 3)),
            rng.uniform(0.4, 5, (count, 3)),
            rng.uniform(-7, 7, count),
        ]
    )


def upright(boxes: np.ndarray) -> np.ndarray:
    """Turned to the nearest multiple of a quarter turn."""
    turned = boxes.copy()
    turned[:, 6] = np.round(turned[:, 6] / (np.pi / 2)) * (np.pi / 2)
    return turned


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_nearest_iou_is_the_iou_of_boxes_turned_to_the_nearest_quarter(seed):
    one, other = random_boxes(seed, 12), random_boxes(seed + 1, 9)
    found = nearest_bev_iou(torch.from_numpy(one), torch.from_numpy(other))
    np.testing.assert_allclose(found, bev_iou(upright(one), upright(other)), atol=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_codes_and_directions_give_the_box_again(seed):
    boxes, anchors = random_boxes(seed, 20), random_boxes(seed + 1, 20)
    code = encode_boxes(torch.from_numpy(boxes), torch.from_numpy(anchors))
    again = boxes_of_codes(code.numpy(), anchors)
    np.testing.assert_allclose(again, boxes, atol=1e-9)
    for turns in (0, 1):  # a network may answer with the box turned by half: the direction puts it right
        heading = turned_by_direction(again[:, 6] + turns * np.pi, direction_of(torch.from_numpy(boxes[:, 6])).numpy())
        np.testing.assert_allclose(np.cos(heading - boxes[:, 6]), 1, atol=1e-9)


def slow_assignment(boxes: np.ndarray, kinds: list[int]) -> tuple[list[int], dict[int, int]]:
    """Column of every anchor, and the box of positive ones, anchor by anchor."""
    flat = ANCHORS.reshape(-1, 7).double().numpy()
    column, box_of = [], {}
    kind_of_anchor = np.tile(np.repeat(np.arange(3), 2), 16 * 16)
    overlap = bev_iou(upright(flat), upright(boxes))
    for anchor, kind in enumerate(kind_of_anchor.tolist()):
        own = [box for box, other in enumerate(kinds) if other == kind]
        state = BACKGROUND
        if own:
            best = max(own, key=lambda box: overlap[anchor, box])
            same_kind = kind_of_anchor == kind
            forced = any(
                overlap[anchor, box] > 0 and overlap[anchor, box] >= overlap[same_kind, box].max() - 1e-9 for box in own
            )
            limits = KITTI_THRESHOLDS[kind]
            if forced or overlap[anchor, best] >= limits.matched:
                state, box_of[anchor] = kind, best
            elif overlap[anchor, best] >= limits.unmatched:
                state = IGNORED
        column.append(state)
    return column, box_of


@pytest.mark.parametrize("seed", range(4))
def test_assignment_equals_the_definition_written_out(seed):
    rng = np.random.default_rng(seed)
    kinds = [0, 0, 1, 2, 2][: 2 + seed]
    boxes = random_boxes(seed, len(kinds))
    for row, kind in enumerate(kinds):
        boxes[row, 3:6] = np.array(KITTI_ANCHORS[kind].size_m) * rng.uniform(0.9, 1.1, 3)
    column, code, direction = assign_anchors(
        ANCHORS, torch.from_numpy(boxes).float(), torch.tensor(kinds), KITTI_THRESHOLDS
    )
    expected, box_of = slow_assignment(boxes, kinds)
    np.testing.assert_array_equal(column, expected)
    assert len(box_of) >= len(kinds)
    flat = ANCHORS.reshape(-1, 7)
    for anchor, box in box_of.items():
        own = torch.from_numpy(boxes[box : box + 1]).float()
        torch.testing.assert_close(code[anchor], encode_boxes(own, flat[anchor : anchor + 1])[0])
        assert int(direction[anchor]) == math.floor(((boxes[box, 6] - 0.78539) % (2 * math.pi)) / math.pi)
    others = torch.ones(len(flat), dtype=torch.bool)
    others[list(box_of)] = False
    assert float(code[others].abs().max()) == 0


@pytest.mark.parametrize("kinds", [[], [-1, -1]])
def test_without_boxes_of_its_kinds_every_anchor_is_background(kinds):
    boxes = torch.from_numpy(random_boxes(0, len(kinds))).float()
    column, code, _ = assign_anchors(ANCHORS, boxes, torch.tensor(kinds, dtype=torch.int64), KITTI_THRESHOLDS)
    assert bool((column == BACKGROUND).all())
    assert float(code.abs().max()) == 0


def test_a_box_far_from_every_anchor_forces_none():
    boxes = torch.tensor([[500.0, 500.0, 0.0, 4.0, 2.0, 1.5, 0.0]])
    column, _, _ = assign_anchors(ANCHORS, boxes, torch.tensor([0]), KITTI_THRESHOLDS)
    assert bool((column == BACKGROUND).all())
