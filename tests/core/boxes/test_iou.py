"""Overlap of rotated boxes: equal to shapely's, the same wherever the boxes stand, and 0 for boxes of no size."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from lidar_vl_core.boxes.iou import bev_iou, iou_3d
from lidar_vl_core.foundation.errors import BadBoxes
from tests.written.made_boxes import iou_of_rectangles, made_boxes, rectangles

ALLOWED_ERROR = 1e-5
CAR = np.array([[10.0, 2.0, -0.5, 4.0, 2.0, 1.5, 0.3]])


def changed(boxes: np.ndarray, **columns: float) -> np.ndarray:
    result = boxes.copy()
    for name, value in columns.items():
        result[:, ("x", "y", "z", "length", "width", "height", "yaw").index(name)] = value
    return result


def moved_along(boxes: np.ndarray, along_m: float, across_m: float = 0.0, up_m: float = 0.0) -> np.ndarray:
    cos, sin = np.cos(boxes[:, 6]), np.sin(boxes[:, 6])
    shift_m = np.column_stack(
        [along_m * cos - across_m * sin, along_m * sin + across_m * cos, np.full(len(boxes), up_m)]
    )
    return np.column_stack([boxes[:, :3] + shift_m, boxes[:, 3:]])


def paired(iou: Callable[..., np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,) of row i of both, from the diagonals of small tables."""
    tables = [iou(a[k : k + 20], b[k : k + 20]) for k in range(0, len(a), 20)]
    return np.concatenate([table.diagonal() for table in tables])


def hard_partners(rng: np.random.Generator, boxes: np.ndarray) -> np.ndarray:
    """Partners where a clumsy cut goes wrong: one kind after the other, row by row."""
    quarter_turns = rng.integers(-2, 3, len(boxes)) * (np.pi / 2)
    tiny = 10.0 ** rng.uniform(-16, -4, len(boxes))
    kinds = [
        boxes,  # identical
        boxes + tiny[:, None] * rng.uniform(-1, 1, boxes.shape),  # nearly identical
        boxes
        + np.column_stack([rng.uniform(-1, 1, (len(boxes), 3)), np.zeros((len(boxes), 3)), tiny]),  # nearly parallel
        np.column_stack([boxes[:, :3], boxes[:, 3:6] * 0.5, boxes[:, 6]]),  # nested, parallel
        np.column_stack([boxes[:, :3], boxes[:, 3:6] * 0.1, boxes[:, 6] + 1.0]),  # nested, turned
        np.column_stack([boxes[:, :6], boxes[:, 6] + quarter_turns]),  # crossing at right angles, sides along sides
        moved_along(boxes, 1.0) * (1, 1, 1, 1, 0.5, 1, 1),  # sides on one line
    ]
    rows = np.arange(len(boxes))
    return np.stack(kinds)[rows % len(kinds), rows]


@pytest.mark.parametrize("pairs", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_pairs_by_chance_are_as_shapely_says(pairs):
    rng = np.random.default_rng(pairs)
    a, b = made_boxes(rng, pairs, 4.0), made_boxes(rng, pairs, 4.0)
    expected = iou_of_rectangles(rectangles(a), rectangles(b))
    assert 0.4 < (expected > 0).mean() < 0.7
    assert_allclose(paired(bev_iou, a, b), expected, rtol=0, atol=ALLOWED_ERROR)


def test_pairs_that_are_hard_to_cut_are_as_shapely_says():
    rng = np.random.default_rng(2)
    a = made_boxes(rng, 20_000, 4.0)
    b = hard_partners(rng, a)
    assert_allclose(paired(bev_iou, a, b), iou_of_rectangles(rectangles(a), rectangles(b)), rtol=0, atol=ALLOWED_ERROR)


def test_the_table_of_many_boxes_is_those_of_single_ones_one_by_one():
    rng = np.random.default_rng(3)
    a, b = made_boxes(rng, 250, 15.0), made_boxes(rng, 180, 15.0)  # enough for several threads
    for table in (bev_iou, iou_3d):
        found = table(a, b)
        assert found.dtype == np.float64
        assert np.array_equal(found, np.concatenate([table(one[None], b) for one in a]))
        assert_allclose(found, table(b, a).T, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (CAR, 1.0),
        (changed(CAR, yaw=0.3 + np.pi), 1.0),
        (moved_along(CAR, 2.0), 1 / 3),
        (moved_along(CAR, 2.0, 1.0), 1 / 7),
        (moved_along(CAR, 4.0), 0.0),  # touching
        (moved_along(CAR, 4.0, 2.0), 0.0),  # corner at corner
        (changed(CAR, length=2.0, width=1.0), 1 / 4),
        (changed(CAR, yaw=0.3 + np.pi / 2), 4 / 12),
        (changed(CAR, x=500.0), 0.0),
    ],
)
def test_overlaps_that_one_can_work_out_by_hand(other, expected):
    assert_allclose(bev_iou(CAR, other), [[expected]], atol=1e-12)
    assert_allclose(iou_3d(CAR, other), [[expected]], atol=1e-12)


def test_a_square_turned_by_an_eighth_shares_an_octagon():
    square = np.array([[0.0, 0, 0, 2, 2, 1, 0]])
    octagon_m2 = 8 * (np.sqrt(2) - 1)  # inscribed circle of radius 1
    assert_allclose(bev_iou(square, changed(square, yaw=np.pi / 4)), [[octagon_m2 / (8 - octagon_m2)]], atol=1e-12)


@pytest.mark.parametrize(("up_m", "expected"), [(0.0, 1.0), (0.75, 1 / 3), (1.5, 0.0), (-9.0, 0.0)])
def test_in_space_the_heights_count_from_above_they_do_not(up_m, expected):
    other = moved_along(CAR, 0.0, up_m=up_m)
    assert_allclose(iou_3d(CAR, other), [[expected]], atol=1e-12)
    assert_allclose(bev_iou(CAR, other), [[1.0]], atol=1e-12)


def test_volumes_are_areas_times_the_height_in_common():
    rng = np.random.default_rng(4)
    a, b = made_boxes(rng, 2000, 3.0), made_boxes(rng, 2000, 3.0)
    area_a, area_b = a[:, 3] * a[:, 4], b[:, 3] * b[:, 4]
    flat = paired(bev_iou, a, b)
    shared_m2 = flat * (area_a + area_b) / (1 + flat)
    top, bottom = (a[:, 2] + a[:, 5] / 2, b[:, 2] + b[:, 5] / 2), (a[:, 2] - a[:, 5] / 2, b[:, 2] - b[:, 5] / 2)
    shared_m3 = shared_m2 * np.maximum(np.minimum(*top) - np.maximum(*bottom), 0)
    expected = shared_m3 / (area_a * a[:, 5] + area_b * b[:, 5] - shared_m3)
    assert_allclose(paired(iou_3d, a, b), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("iou", [bev_iou, iou_3d])
def test_boxes_of_no_size_overlap_nothing_not_even_themselves(iou):
    flat = np.concatenate([changed(CAR, length=0.0), changed(CAR, width=0.0), changed(CAR, length=0.0, width=0.0)])
    assert not iou(flat, np.concatenate([flat, CAR])).any()
    no_height = changed(CAR, height=0.0)
    assert not iou_3d(no_height, np.concatenate([no_height, CAR])).any()
    assert_allclose(bev_iou(no_height, CAR), [[1.0]], atol=1e-12)


@given(
    arrays(np.float64, (2, 7), elements=st.floats(-3, 3, width=32)),
    st.floats(-np.pi, np.pi),
    st.tuples(st.floats(-5e6, 5e6), st.floats(-5e6, 5e6), st.floats(-1e3, 1e3)),
)
def test_overlaps_are_the_same_wherever_the_boxes_are_taken(numbers, turn_rad, shift_m):
    boxes = np.column_stack([numbers[:, :3], np.abs(numbers[:, 3:6]) + 0.1, numbers[:, 6]])
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    turned_m = boxes[:, :2] @ np.array([[cos, sin], [-sin, cos]])
    there = np.column_stack([turned_m, boxes[:, 2:6], boxes[:, 6] + turn_rad])
    there[:, :3] += shift_m  # 1e-9 m are lost here, at the latest
    for iou in (bev_iou, iou_3d):
        assert_allclose(iou(there, there), iou(boxes, boxes), rtol=0, atol=2e-7)


def test_in_the_coordinates_of_a_map_nothing_is_lost():
    rng = np.random.default_rng(5)
    a, b = np.round(made_boxes(rng, 3000, 4.0) * 256) / 256, np.round(made_boxes(rng, 3000, 4.0) * 256) / 256
    far_m = np.array([5e6, -4e6, 1e3, 0, 0, 0, 0])
    assert np.array_equal(paired(bev_iou, a + far_m, b + far_m), paired(bev_iou, a, b))  # 1/256 m is exact there, too


@given(arrays(np.float32, (4, 7), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_whatever_a_network_says_gives_a_share(numbers):
    numbers[:, 3:6] = np.abs(numbers[:, 3:6])
    for iou in (bev_iou, iou_3d):
        table = iou(numbers, numbers)
        assert ((table >= 0) & (table <= 1)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int32])
def test_other_number_types_and_orders_in_memory_are_taken(dtype):
    boxes = np.array([[10, 2, 0, 4, 2, 2, 0], [11, 2, 0, 4, 2, 2, 0], [10, 3, 0, 4, 2, 2, 1]], dtype)
    wide = boxes.astype(np.float64)
    given_boxes = (boxes, np.asfortranarray(boxes), np.repeat(boxes, 2, axis=0)[::2])
    for a, b in itertools.product(given_boxes, given_boxes):
        assert np.array_equal(bev_iou(a, b), bev_iou(wide, wide))
        assert np.array_equal(iou_3d(a, b), iou_3d(wide, wide))


def test_no_boxes_have_an_empty_table():
    assert bev_iou(np.zeros((0, 7)), CAR).shape == (0, 1)
    assert iou_3d(CAR, np.zeros((0, 7))).shape == (1, 0)
    assert bev_iou(np.zeros((0, 7)), np.zeros((0, 7))).shape == (0, 0)


@pytest.mark.parametrize("iou", [bev_iou, iou_3d])
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (changed(CAR, x=np.nan), "finite"),
        (changed(CAR, width=-1.0), "sizes >= 0"),
        (changed(CAR, length=1e60), "up to 1e\\+50"),
        (CAR[0], "shape"),
        (CAR[:, :6], "shape"),
    ],
)
def test_what_is_no_box_is_refused(iou, wrong, told):
    for a, b in ((wrong, CAR), (CAR, wrong)):
        with pytest.raises(BadBoxes, match=told) as raised:
            iou(a, b)
        assert "\n" not in str(raised.value)
