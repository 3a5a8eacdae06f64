"""Stage 1: which class a point gets out of its scores, and how superpoints and superpixels spread it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample
from offline_training.words.stages.pseudo_labels.class_choice import choose_classes, keep_surest, scale_of_logits
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from offline_training.words.stages.pseudo_labels.segment_majority import segment_majority
from offline_training.words.stages.pseudo_labels.superpoints import superpoints
from tests.training.words.stages.tiny_labels import labels_of
from tests.training.words.stages.tiny_language import (
    CAR,
    NUSCENES_16,
    ROAD,
    TRUCK,
    tiny_config,
    tiny_features,
    tiny_sample,
    write_tiny_features,
)

pytestmark = pytest.mark.usefixtures("tiny_world")


def slow_choice(scores, is_sink, allowed, scale):
    share = np.exp(scale * scores - np.max(scale * scores))
    share /= share.sum()
    possible = [k for k in range(len(scores)) if is_sink[k] or allowed[k]]
    best = max(possible, key=lambda k: (scores[k], -k), default=None)
    if best is None or is_sink[best]:
        return IGNORE_ID, 0.0
    return best, share[best]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([1.0, 30.0]))
def test_the_choice_of_a_class_is_the_slow_rule(seed, per_row, scale):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(20, 6)).astype(np.float32)
    is_sink = np.array([False] * 4 + [True] * 2)
    allowed = rng.random((20 if per_row else 1, 4)) < 0.4
    class_id, probability = choose_classes(scores, is_sink, allowed, scale)
    for row in range(20):
        expected, share = slow_choice(scores[row], is_sink, allowed[row if per_row else 0], scale)
        assert class_id[row] == expected
        assert float(probability[row]) == pytest.approx(share, abs=2e-3)


def test_rows_that_say_nothing_get_no_class():
    scores = np.array([[0, 0, 0], [np.nan, 1, 1], [np.inf, 0, 0], [0, 1, 0]], np.float32)
    class_id, probability = choose_classes(scores, np.zeros(3, bool), np.ones((1, 3), bool), 1.0)
    assert class_id.tolist() == [IGNORE_ID, IGNORE_ID, IGNORE_ID, 1]
    assert (probability[:3] == 0).all()


def test_the_surest_share_of_each_class_stays():
    class_id = np.array([0] * 10 + [1] * 4 + [IGNORE_ID, 2], np.uint8)
    probability = np.array([*np.linspace(0.1, 1.0, 10), 0.5, 0.5, 0.9, 0.5, 0.0, 0.1], np.float16)
    kept = keep_surest(class_id, probability, 0.3)
    assert np.flatnonzero(kept == 0).tolist() == [7, 8, 9]
    assert np.flatnonzero(kept == 1).tolist() == [12]
    assert np.flatnonzero(kept == 2).tolist() == [15]  # of a single point it stays
    assert (keep_surest(class_id, probability, 1.0) == class_id).all()


@pytest.mark.parametrize(("length", "given", "expected"), [(0.8, None, 20.0), (7.0, None, 1.0), (7.0, 40.0, 40.0)])
def test_the_scale_of_logits_is_1_only_for_features_longer_than_unit_rows(length, given, expected):
    feature = np.zeros((10, 4), np.float16)
    feature[:, 0] = length
    assert scale_of_logits(given, feature, 20.0) == expected


def test_superpoints_part_floor_from_wall_and_red_from_blue():
    grid = np.stack(np.meshgrid(np.arange(0, 2, 0.04), np.arange(0, 2, 0.04)), axis=-1).reshape(-1, 2)
    floor = np.concatenate([grid, np.zeros((len(grid), 1))], axis=1)
    wall = np.stack([grid[:, 0], np.full(len(grid), 2.0), 0.3 + grid[:, 1]], axis=1)
    xyz_m = np.concatenate([floor, wall, [[np.nan, 0, 0]]]).astype(np.float32)
    segment = superpoints(xyz_m, None, 0.05, 15.0, 0.1)
    assert segment[-1] == -1
    for part in (slice(0, len(grid)), slice(len(grid), -1)):
        assert np.bincount(segment[part]).max() > 0.9 * len(grid)
    assert segment[len(grid) // 2] != segment[len(grid) + len(grid) // 2]
    rgb = np.where(xyz_m[:, :1] < 1.0, [200, 0, 0], [0, 0, 200]).astype(np.uint8)
    coloured = superpoints(xyz_m[: len(grid)], rgb[: len(grid)], 0.05, 15.0, 0.1)
    is_red = rgb[: len(grid), 0] > 0
    assert not set(coloured[is_red]) & set(coloured[~is_red])
    assert len(superpoints(xyz_m[-1:], None, 0.05, 15.0, 0.1)) == 1


def test_a_superpoint_has_one_class_and_what_no_view_sees_stays_without(tmp_path):
    config = tiny_config(
        tmp_path,
        pseudo={"spread": "superpoint", "keep_fraction": 0.3, "superpoint_cell_m": 0.4, "superpoint_colour": 0.25},
    )
    write_tiny_features(config)
    labels, sample = labels_of(pseudo_label(config))[0], tiny_sample(0)
    segment = superpoints(sample.cloud.xyz_m, sample.cloud.extra["rgb"], 0.4, 15.0, 0.25)
    for one in np.unique(segment):
        assert len(set(labels.class_id[segment == one]) - {IGNORE_ID}) <= 1
    visible = tiny_features(sample).visible
    assert (labels.class_id[~visible] == IGNORE_ID).all()
    assert np.mean(labels.class_id[visible] != IGNORE_ID) > 0.3  # spread beyond the kept share


def test_points_of_one_superpixel_get_the_class_that_most_of_them_have(tmp_path):
    half_red = np.zeros((40, 60, 3), np.uint8)
    half_red[:, :30, 0], half_red[:, 30:, 2] = 220, 220
    camera = CameraModel(60, 40, np.array([[40.0, 0, 29.5], [0, 40.0, 19.5], [0, 0, 1]]))
    view = CameraView("front", camera, RigidTransform.identity(), 0, lambda: half_red)
    rng = np.random.default_rng(0)
    xyz_m = np.append(rng.uniform([-1.4, -0.9, 2.0], [1.4, 0.9, 2.01], (600, 3)), [[0, 0, -5]], axis=0).astype(
        np.float32
    )
    is_red = xyz_m[:, 0] < 0
    class_id = np.where(is_red, CAR, TRUCK).astype(np.uint8)
    class_id[rng.random(601) < 0.2] = ROAD
    class_id[-1] = ROAD  # behind the camera: it keeps its own
    sample = Sample("one", PointCloud(xyz_m, np.zeros(601, np.float32), 0, "room"), None, NUSCENES_16, (view,))
    config = tiny_config(
        tmp_path, pseudo={"spread": "superpixel", "superpixels": 2}, extract={"occlusion": "none", "border_px": 0}
    )
    found = segment_majority(sample, class_id, config, len(NUSCENES_16.names))
    clear = np.abs(xyz_m[:-1, 0]) > 0.2  # SLIC's edge lies within some pixels of the colours'
    assert (found[:-1] == np.where(is_red, CAR, TRUCK)[:-1])[clear].all()
    assert found[-1] == ROAD
