"""Corrupted truth: the share that was asked for, wrong together in a patch, and the same however often it is asked."""

from functools import partial

import numpy as np
import pytest

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.pretraining.base.point_classes import classes_read, scans_with_classes
from offline_training.pretraining.views.corrupted_truth import PATCH_PX, corrupted
from tests.training.pretraining.pretrain_scenes import Rooms, config

CLASSES = 6


@pytest.fixture(scope="module")
def pairs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    class_id = rng.choice([0, 1, 2, 4, IGNORE_ID], 3000, p=[0.5, 0.2, 0.1, 0.1, 0.1]).astype(np.uint8)
    return class_id, rng.integers(0, 6, 3000), rng.integers(0, 96, (3000, 2)).astype(np.int32)


@pytest.mark.parametrize("share", [1.0, 0.8, 0.6, 0.25])
def test_the_share_that_is_asked_for_is_right_to_the_pair(pairs, share):
    changed = corrupted(*pairs, CLASSES, share, "scan")
    known = pairs[0] != IGNORE_ID
    assert (changed[known] == pairs[0][known]).sum() == round(share * known.sum())
    assert (changed[~known] == IGNORE_ID).all()
    assert changed[known].max() < CLASSES


def test_pairs_of_a_class_in_a_patch_are_wrong_together_but_for_one_patch(pairs):
    class_id, image, uv = pairs
    changed = corrupted(*pairs, CLASSES, 0.6, "scan")
    broken = 0
    patch = np.column_stack([image, uv // PATCH_PX, class_id])
    for one in np.unique(patch[class_id != IGNORE_ID], axis=0):
        broken += len(set(changed[(patch == one).all(axis=1)].tolist())) > 1
    assert broken <= 1  # the patch that the share ends in


def test_frequent_classes_stand_in_more_often_and_every_class_can(pairs):
    changed = corrupted(*pairs, CLASSES, 0.01, "scan")
    wrong = changed[(changed != pairs[0]) & (pairs[0] != IGNORE_ID)]
    count = np.bincount(wrong, minlength=CLASSES)
    assert count[1] > count[2] > count[3]  # no pair is of class 3


def test_the_same_scan_is_corrupted_in_the_same_way_and_another_in_another(pairs):
    one, again, other = (corrupted(*pairs, CLASSES, 0.6, name) for name in ("a", "a", "b"))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_a_method_sees_the_corrupted_truth_of_a_scan_in_every_epoch(tmp_path):
    rooms = Rooms()
    for share in (1.0, 0.7):
        run = config(tmp_path, correct_share=share, augment={"crop": False, "drop_cuboid": False})
        view = partial(scans_with_classes(run, classes_read(run)), rooms, 0)
        one, two = (view(np.random.default_rng(seed)) for seed in (0, 1))
        right = one.weak_class == one.class_id[one.point_index]
        assert right.mean() == pytest.approx(share, abs=1e-3)
        np.testing.assert_array_equal(one.weak_class, two.weak_class)
