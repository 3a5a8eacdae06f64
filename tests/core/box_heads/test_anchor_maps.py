"""Anchor maps become boxes: against a decoding written out anchor by anchor, and maps that nobody should believe."""

import math

import numpy as np
import pytest

from lidar_vl_core.box_heads.anchor_maps import AnchorMaps, boxes_of_anchor_maps, turned_by_direction
from lidar_vl_core.box_heads.anchors import KITTI_ANCHORS, AnchorKind, anchor_boxes
from lidar_vl_core.box_heads.selection import BoxSelection
from lidar_vl_core.boxes.nms import rotated_nms
from lidar_vl_core.foundation.errors import BadBoxes, BadConfig

WIDTH, HEIGHT = 4, 3
RANGE = (0.0, -10.0, -3.0, 30.0, 10.0, 1.0)
ANCHORS = anchor_boxes(KITTI_ANCHORS, RANGE, (WIDTH, HEIGHT))
ALL = BoxSelection(least_score=0.0, most_candidates=1000, iou_threshold=1.0, most_boxes=1000)


def made_maps(seed: int, scale: float = 1.0) -> AnchorMaps:
    rng = np.random.default_rng(seed)
    return AnchorMaps(*(rng.normal(0, scale, (6 * n, HEIGHT, WIDTH)).astype(np.float32) for n in (3, 7, 2)))


def slow_boxes(maps: AnchorMaps) -> list[tuple[float, int, list[float]]]:
    """Score, class and box of every anchor: kind and yaw inside a cell, cells by rows, channels grouped by anchor."""
    boxes = []
    for row in range(HEIGHT):
        for column in range(WIDTH):
            for anchor in range(6):
                kind = KITTI_ANCHORS[anchor // 2]
                logits = [float(maps.class_logit[anchor * 3 + k, row, column]) for k in range(3)]
                code = [float(maps.code[anchor * 7 + k, row, column]) for k in range(7)]
                length, width, height = kind.size_m
                diagonal = math.hypot(length, width)
                x = 30.0 * column / (WIDTH - 1) + code[0] * diagonal
                y = -10.0 + 20.0 * row / (HEIGHT - 1) + code[1] * diagonal
                z = kind.bottom_m + height / 2 + code[2] * height
                sizes = [size * math.exp(number) for size, number in zip(kind.size_m, code[3:6], strict=True)]
                yaw = (0.0, 1.57)[anchor % 2] + code[6]
                second = (
                    maps.direction_logit[anchor * 2 + 1, row, column] > maps.direction_logit[anchor * 2, row, column]
                )
                yaw = (yaw - 0.78539) % math.pi + 0.78539 + math.pi * bool(second)
                boxes.append((1 / (1 + math.exp(-max(logits))), logits.index(max(logits)), [x, y, z, *sizes, yaw]))
    return boxes


@pytest.mark.parametrize("seed", range(3))
def test_boxes_are_those_of_the_anchors_written_out(seed):
    maps = made_maps(seed)
    expected = sorted(slow_boxes(maps), key=lambda box: -box[0])
    found = boxes_of_anchor_maps(maps, ANCHORS, (0, 1, 2), ALL)
    assert len(found) == len(expected) == 72
    np.testing.assert_allclose(found.score, [score for score, *_ in expected], rtol=1e-5)
    np.testing.assert_array_equal(found.class_id, [class_id for _, class_id, _ in expected])
    boxes = np.array([box for *_, box in expected])
    np.testing.assert_allclose(found.boxes[:, :6], boxes[:, :6], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.cos(found.boxes[:, 6] - boxes[:, 6]), 1, atol=1e-6)
    assert np.abs(found.boxes[:, 6]).max() <= np.pi


def test_only_certain_boxes_are_told_and_of_overlapping_ones_the_best():
    maps = made_maps(1)
    selection = BoxSelection(least_score=0.6, most_candidates=30, iou_threshold=0.05, most_boxes=9)
    every = boxes_of_anchor_maps(maps, ANCHORS, (4, 7, 9), ALL)
    candidates = every.taken(np.flatnonzero(every.score >= 0.6)[:30])
    expected = candidates.taken(rotated_nms(candidates.boxes, candidates.score, 0.05, 30, 9))
    found = boxes_of_anchor_maps(maps, ANCHORS, (4, 7, 9), selection)
    assert 0 < len(found) <= 9
    assert set(found.class_id.tolist()) <= {4, 7, 9}
    np.testing.assert_array_equal(found.boxes, expected.boxes)


def test_boxes_that_are_no_numbers_are_left_out():
    maps = made_maps(2)
    maps.code[3, 0, 0] = 1e4  # a length of exp(10000)
    maps.code[7 + 6, 1, 1] = np.nan
    maps.class_logit[:3, 2, 2] = np.nan
    found = boxes_of_anchor_maps(maps, ANCHORS, (0, 1, 2), ALL)
    assert len(found) == 72 - 3


def test_maps_of_other_anchors_are_refused():
    maps = made_maps(0)
    with pytest.raises(
        BadBoxes, match=r"class_logit: expected shape \(12, 3, 4\) for these anchors, found \(18, 3, 4\)"
    ):
        boxes_of_anchor_maps(maps, ANCHORS, (0, 1), ALL)
    with pytest.raises(BadBoxes, match="code: expected shape"):
        boxes_of_anchor_maps(AnchorMaps(maps.class_logit, maps.code[:7], maps.direction_logit), ANCHORS, (0, 1, 2), ALL)


def test_a_direction_turns_a_box_into_its_half_turn():
    yaw = np.linspace(-9, 9, 50)
    for direction in (0, 1):
        turned = turned_by_direction(yaw, np.full(50, direction))
        np.testing.assert_allclose(np.sin(turned - yaw), 0, atol=1e-9)  # the same axis
        assert (((turned - 0.78539) % (2 * np.pi) >= np.pi) == bool(direction)).all()


@pytest.mark.parametrize(
    "kinds", [(), (AnchorKind(0, (1, 1, 0), 0),), (AnchorKind(0, (1, 1, 1), 0), AnchorKind(1, (1, 1, 1), 0, (0.0,)))]
)
def test_anchors_that_fit_no_map_are_refused(kinds):
    with pytest.raises(BadConfig, match="anchors: expected sizes above 0"):
        anchor_boxes(kinds, RANGE, (2, 2))


@pytest.mark.parametrize("wrong", [{"least_score": -0.1}, {"iou_threshold": 1.5}, {"most_boxes": 0}])
def test_limits_that_cannot_be_are_refused(wrong):
    with pytest.raises(BadConfig, match="selection: expected score and IoU in"):
        BoxSelection(**wrong)
