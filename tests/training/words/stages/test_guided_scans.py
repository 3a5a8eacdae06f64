"""Stage 3: what the rows of the network are to learn, and how scans are drawn and changed."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_training.runs.backbones import preparer_of
from offline_training.words.stages.guidance.guide_augment import augment_scan, with_colour_change
from offline_training.words.stages.guidance.guided_scans import GuidedScans, collate_guided, first_targets, row_targets
from tests.training.words.stages.tiny_language import (
    TinyScenes,
    tiny_config,
    tiny_features,
    tiny_sample,
    write_tiny_features,
)

pytestmark = pytest.mark.usefixtures("tiny_world")


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_a_rows_target_is_the_mean_over_its_visible_points(seed, points):
    rng = np.random.default_rng(seed)
    feature = rng.normal(size=(7, 70)).astype(np.float16)
    row_of_point = rng.integers(-1, 7, points).astype(np.int32)
    network_row = rng.integers(-1, 5, points)
    rows, target = row_targets(feature, row_of_point, network_row)
    expected = {}
    for at, row in zip(row_of_point, network_row, strict=True):
        if at >= 0 and row >= 0:
            expected.setdefault(int(row), []).append(feature[at].astype(np.float64))
    assert rows.tolist() == sorted(expected)
    for row, mean in zip(rows, target, strict=True):
        np.testing.assert_allclose(mean, np.mean(expected[int(row)], axis=0), atol=4e-3)


def test_by_the_original_rule_a_row_learns_the_feature_of_its_first_point_if_that_is_seen():
    feature = np.arange(8, dtype=np.float16).reshape(4, 2)
    row_of_point = np.array([-1, 0, 2, 3, 1], np.int32)
    rows, target = first_targets(
        feature, row_of_point, np.array([0, 0, 3, 3, -1])
    )  # the first point of row 0 is not seen
    assert rows.tolist() == [3]
    np.testing.assert_array_equal(target, feature[[2]])


def test_a_step_shifts_all_its_scans_by_the_same_whole_voxels_below_the_limit(tmp_path):
    store = write_tiny_features(tiny_config(tmp_path))
    still, moved = (
        GuidedScans([TinyScenes(3)], store, range(3), tiny_config(tmp_path, guide={"augment": "none", **shift}))
        for shift in ({}, {"shift_voxels": 100})
    )
    shifts = []
    for step in range(40):
        voxels = [(moved[step, place].scan[0] - still[step, place].scan[0]) / 0.2 for place in (0, 1)]
        shifts.append(np.round(voxels[0][0]))
        for each in voxels:
            np.testing.assert_allclose(each, np.tile(shifts[-1], (len(each), 1)), atol=1e-4)
    assert 0 <= np.min(shifts) < 10
    assert 90 < np.max(shifts) <= 99


def test_rows_of_a_batch_point_behind_those_of_the_scans_before(tmp_path):
    config = tiny_config(tmp_path, guide={"augment": "none"})
    store = write_tiny_features(config)
    scans = GuidedScans([TinyScenes(3)], store, range(3), config)
    preparer = preparer_of(config)
    one, other = scans[0, 0], scans[0, 1]
    both, second = collate_guided([one, other], preparer), collate_guided([other], preparer)
    before = collate_guided([one], preparer).inputs.row_count
    tail = both.row >= before
    assert torch.equal(both.row[tail] - before, second.row)
    assert torch.equal(both.target[tail], second.target)


def test_every_scan_comes_once_in_an_epoch_and_a_copy_for_another_process_draws_the_same(tmp_path):
    config = tiny_config(tmp_path, guide={"batch_size": 1})
    scans = GuidedScans([TinyScenes(2), TinyScenes(1, first=2)], write_tiny_features(config), range(3), config)
    drawn = [scans[step, 0].row_of_point.tobytes() for step in range(3)]
    assert set(drawn) == {tiny_features(tiny_sample(index)).row_of_point.tobytes() for index in range(3)}
    copy = pickle.loads(pickle.dumps(scans))
    for array, again in zip(scans[4, 0].scan, copy[4, 0].scan, strict=True):
        assert (array == again).all()


def test_of_a_large_scene_only_so_many_points_are_seen(tmp_path):
    config = tiny_config(tmp_path, guide={"max_points": 100, "augment": "none"})
    guided = GuidedScans([TinyScenes(1)], write_tiny_features(config), range(1), config)[0, 0]
    assert [len(array) for array in (*guided.scan, guided.row_of_point)] == [100] * 4


@pytest.mark.parametrize(
    ("kind", "low", "high", "tilt_rad"), [("indoor", 0.9, 1.1, np.pi / 64), ("outdoor", 0.95, 1.05, 0)]
)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_a_changed_scan_keeps_its_shape_up_to_one_scale(kind, low, high, tilt_rad, seed):
    rng = np.random.default_rng(seed)
    xyz_m = rng.normal(size=(20, 3)).astype(np.float32)
    changed, *_ = augment_scan((xyz_m, np.zeros(20, np.float32)), kind, 0.5, rng)
    ratio = np.linalg.norm(changed[1:] - changed[:-1], axis=1) / np.linalg.norm(xyz_m[1:] - xyz_m[:-1], axis=1)
    assert np.ptp(ratio) < 1e-3
    assert low - 1e-3 <= ratio[0] <= high + 1e-3
    up = np.linalg.lstsq(xyz_m.astype(np.float64), changed, rcond=None)[0].T[:, 2] / ratio[0]
    assert np.arccos(min(1.0, up[2])) <= np.sqrt(2) * tilt_rad + 2e-3


def test_colours_change_indoors_alone_and_stay_colours():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (500, 3)).astype(np.uint8)
    scan = (np.zeros((500, 3), np.float32), np.zeros(500, np.float32), rgb)
    indoor, outdoor = (augment_scan(scan, kind, 0.5, rng)[2] for kind in ("indoor", "outdoor"))
    assert indoor.dtype == np.uint8
    assert indoor.shape == rgb.shape
    assert (indoor != rgb).any()
    assert (outdoor == rgb).all()
    assert augment_scan(scan, "none", 0.5, rng) is scan
    assert len(with_colour_change(rgb[:0], 0.5, rng)) == 0
