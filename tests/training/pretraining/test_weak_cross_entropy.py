"""The control without contrast: cross-entropy on the weak classes of the points that pictures see."""

import numpy as np
import pytest
import torch

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.pretraining import pretrain as pretrain_module
from offline_training.pretraining.known_methods import METHODS
from offline_training.pretraining.pretrain import pretrain
from offline_training.runs.backbones import build_backbone, preparer_of
from tests.training.pretraining.pretrain_scenes import Rooms, config
from tests.training.training_log import losses


def test_it_learns_to_tell_floor_from_wall_without_an_image_teacher(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain_module, "open_source", lambda *_: Rooms())
    run = config(tmp_path, method="weak_cross_entropy", max_steps=30, learning_rate=0.02)
    pretrain(run)
    told = losses(tmp_path)
    assert told[29] < 0.4 < 2.0 < told[0]


def test_its_loss_is_the_mean_over_pairs_with_a_class(tmp_path):
    run = config(tmp_path, method="weak_cross_entropy", lovasz_weight=0.5)
    method, rooms = METHODS["weak_cross_entropy"], Rooms()
    scan = method.views(run, None)(rooms, 0, np.random.default_rng(0))
    batch = method.collate(run, preparer_of(run))([scan])
    torch.manual_seed(0)
    network = build_backbone(run, None)
    objective = method.objective(run, None, network, run.build_teacher())
    batch.pair_class[:50] = 255
    losses = objective(objective.features(network, batch), None, batch, 0, torch.Generator())
    scores = objective.heads(network.point_features(batch.inputs))[batch.pair_row]
    slow = torch.nn.functional.cross_entropy(scores, batch.pair_class, ignore_index=255)
    assert losses["cross_entropy"].item() == pytest.approx(slow.item(), rel=1e-4)
    both = losses["cross_entropy"] + 0.5 * losses["lovasz"]
    assert losses["loss"].item() == pytest.approx(both.item(), rel=1e-5)


def test_keys_of_a_teacher_and_of_contrast_are_refused(tmp_path):
    with pytest.raises(BadConfig, match="teacher_weights: expected only with a method that has an image teacher"):
        config(tmp_path, method="weak_cross_entropy", teacher_weights="file")
    with pytest.raises(BadConfig, match=r"temperature: only a key of"):
        config(tmp_path, method="weak_cross_entropy", temperature=0.5)
