"""What a training step sees: which scans, the weights of the classes, and the class of a voxel."""

from pathlib import Path

import numpy as np
import pytest
import torch

from offline_training.datasets.batches.collate import collate
from offline_training.datasets.batches.training_scans import StepSampler, TrainingScans, class_weights, labelled_scan
from offline_training.runs.backbones import preparer_of
from tests.training.finetuning.rooms import GROUND, NOBODY, WALL, Rooms, config


def test_the_scans_of_a_step_depend_on_seed_and_step_alone():
    augmentation = config(Path("unused")).augment
    scans = TrainingScans([Rooms(), Rooms()], [1.0, 2.0], augmentation, 500, seed=3)
    again = TrainingScans([Rooms(), Rooms()], [1.0, 2.0], augmentation, 500, seed=3)
    _ = again[9, 0]
    np.testing.assert_array_equal(scans[5, 1].xyz_m, again[5, 1].xyz_m)
    assert not np.array_equal(scans[5, 1].xyz_m, scans[6, 1].xyz_m)


def test_a_resumed_sampler_gives_the_rest_of_the_steps():
    whole, rest = list(StepSampler(0, 5, 2)), list(StepSampler(3, 5, 2))
    assert whole[3:] == rest
    assert len(StepSampler(3, 5, 2)) == 2


def test_class_weights_favour_the_rare_and_leave_the_absent_alone():
    scans = TrainingScans([Rooms()], [1.0], config(Path("unused")).augment, 10_000, seed=0)
    weights = class_weights(scans, 5, 16, power=0.5)
    assert weights[WALL] > weights[GROUND]
    assert weights[[GROUND, WALL]].mean() == pytest.approx(1.0)
    assert weights[0] == 1.0
    np.testing.assert_array_equal(class_weights(scans, 5, 16, power=0.0), np.ones(16))


def test_a_voxel_has_the_class_of_most_of_its_points_and_scans_stay_apart():
    scans = [labelled_scan(Rooms()[0]), labelled_scan(Rooms()[1])]
    run = config(Path("unused"))
    batch = collate(scans, preparer_of(run), 16)
    assert len(batch.point_class) == 1800
    assert batch.inputs.points_per_scan == (900, 900)
    row = batch.inputs.row_of_point.numpy()
    votes = np.zeros((len(batch.inputs.features), 16), int)
    known = batch.point_class.numpy() != NOBODY
    np.add.at(votes, (row[known], batch.point_class.numpy()[known]), 1)
    voted = np.where(votes.max(axis=1) > 0, votes.argmax(axis=1), NOBODY)
    np.testing.assert_array_equal(batch.row_class.numpy(), voted)
    first = collate(scans[:1], preparer_of(run), 16)
    assert torch.equal(batch.inputs.features[: len(first.inputs.features)], first.inputs.features)
    assert set(batch.inputs.maps.coords[0][:, 0].tolist()) == {0, 1}
