"""Center maps become boxes: one at each local maximum, with the numbers of its cell."""

import math

import numpy as np
import pytest

from lidar_vl_core.box_heads.center_maps import CenterGrid, boxes_of_center_maps, joined_groups
from lidar_vl_core.box_heads.selection import BoxSelection
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.nms import rotated_nms
from lidar_vl_core.foundation.errors import BadBoxes

HEIGHT, WIDTH = 7, 9
GRID = CenterGrid(-10.0, 5.0, (0.8, 1.6))
ALL = BoxSelection(least_score=0.0, most_candidates=1000, iou_threshold=1.0, most_boxes=1000)


def made_maps(seed: int, velocity: bool = True) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    channels = {"center": 2, "center_z": 1, "dim": 3, "rot": 2, "hm": 2, **({"vel": 2} if velocity else {})}
    return {name: rng.standard_normal((count, HEIGHT, WIDTH)).astype(np.float32) for name, count in channels.items()}


def slow_boxes(maps: dict[str, np.ndarray]) -> list[tuple[float, int, list[float], list[float]]]:
    """Score, class, box and velocity of every peak."""
    peaks = []
    heat = maps["hm"].tolist()
    for channel in range(2):
        for y in range(HEIGHT):
            for x in range(WIDTH):
                around = [
                    heat[channel][v][u]
                    for v in range(max(y - 1, 0), min(y + 2, HEIGHT))
                    for u in range(max(x - 1, 0), min(x + 2, WIDTH))
                ]
                if heat[channel][y][x] < max(around):
                    continue
                (dx, dy), (z,), dim, (cos, sin) = (
                    maps[name][:, y, x].tolist() for name in ("center", "center_z", "dim", "rot")
                )
                box = [-10 + (x + dx) * 0.8, 5 + (y + dy) * 1.6, z, *map(math.exp, dim), math.atan2(sin, cos)]
                score = 1 / (1 + math.exp(-heat[channel][y][x]))
                peaks.append((score, channel, box, maps["vel"][:, y, x].tolist()))
    return sorted(peaks, key=lambda peak: -peak[0])


@pytest.mark.parametrize("seed", range(3))
def test_boxes_are_those_of_the_peaks_written_out(seed):
    maps = made_maps(seed)
    expected = slow_boxes(maps)
    found = boxes_of_center_maps(maps, GRID, (3, 8), ALL)
    assert len(found) == len(expected) > 4
    np.testing.assert_allclose(found.score, [peak[0] for peak in expected], rtol=1e-5)
    np.testing.assert_array_equal(found.class_id, [(3, 8)[peak[1]] for peak in expected])
    np.testing.assert_allclose(found.boxes, [peak[2] for peak in expected], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.velocity_mps, [peak[3] for peak in expected], rtol=1e-6)


def test_only_certain_boxes_are_told_and_of_overlapping_ones_the_best():
    maps = made_maps(4)
    every = boxes_of_center_maps(maps, GRID, (0, 1), ALL)
    candidates = every.taken(np.flatnonzero(every.score >= 0.5)[:8])
    expected = candidates.taken(rotated_nms(candidates.boxes, candidates.score, 0.02, 8, 5))
    found = boxes_of_center_maps(maps, GRID, (0, 1), BoxSelection(0.5, 8, 0.02, 5))
    assert 0 < len(found) <= 5
    np.testing.assert_array_equal(found.boxes, expected.boxes)


def test_without_a_map_of_velocities_they_are_not_known():
    found = boxes_of_center_maps(made_maps(0, velocity=False), GRID, (0, 1), ALL)
    assert np.isnan(found.velocity_mps).all()


def test_boxes_that_are_no_numbers_are_left_out():
    maps = made_maps(1)
    best = boxes_of_center_maps(maps, GRID, (0, 1), ALL)
    _, y, x = np.unravel_index(maps["hm"].argmax(), maps["hm"].shape)
    maps["dim"][0, y, x] = 1e4
    found = boxes_of_center_maps(maps, GRID, (0, 1), ALL)
    np.testing.assert_array_equal(found.boxes, best.boxes[1:])
    maps["hm"][:] = np.nan
    assert len(boxes_of_center_maps(maps, GRID, (0, 1), ALL)) == 0


def test_maps_that_do_not_belong_together_are_refused():
    maps = made_maps(0)
    for wrong in ({**maps, "dim": maps["dim"][:2]}, {**maps, "more": maps["hm"]}, {**maps, "hm": maps["hm"][:, 1:]}):
        with pytest.raises(BadBoxes, match="center maps: expected"):
            boxes_of_center_maps(wrong, GRID, (0, 1), ALL)
    with pytest.raises(BadBoxes, match="center maps: expected"):
        boxes_of_center_maps({}, GRID, (0, 1), ALL)


def test_groups_join_with_the_best_box_first():
    one = Boxes3d.of(np.ones((2, 7)), [0, 0], np.array([0.9, 0.3]), np.ones((2, 2)))
    other = Boxes3d.of(np.full((1, 7), 2.0), [5], np.array([0.5]))
    joined = joined_groups([one, other])
    np.testing.assert_allclose(joined.score, [0.9, 0.5, 0.3])
    assert joined.class_id.tolist() == [0, 5, 0]
    assert np.isnan(joined.velocity_mps[1]).all()
