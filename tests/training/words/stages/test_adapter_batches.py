"""Stage 2: which points a step of the adapter learns from, and at which rate."""

from pathlib import Path

import numpy as np
import pytest
import torch

import offline_training
from lidar_vl_core.foundation.config import load_config
from offline_training.words.features.run_features import open_features
from offline_training.words.settings.vlg_config import SpecialiseConfig, VlgConfig
from offline_training.words.stages.adapter.adapter_batches import AdapterBatches
from offline_training.words.stages.adapter.kept_scenes import KeptScenes
from offline_training.words.stages.adapter.specialise import learning_rate
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabelStore
from tests.training.words.stages.tiny_language import tiny_config, tiny_features, tiny_sample, write_tiny_features

pytestmark = pytest.mark.usefixtures("tiny_world")


def test_points_are_drawn_from_those_that_views_see_with_replacement_where_there_are_too_few(config, tmp_path):
    labels = PseudoLabelStore(tmp_path / "pseudo_labels")
    numbers = config.specialise.model_copy(update={"points_per_scene": 5000, "batch_size": 16})
    (batch,) = AdapterBatches(labels, open_features(config), numbers, 0).of_epoch(0)
    assert [len(class_id) for _, class_id in batch] == [5000] * 3
    known = {row.tobytes() for index in range(3) for row in tiny_features(tiny_sample(index)).feature}
    assert {row.astype(np.float16).tobytes() for feature, _ in batch for row in feature.numpy()[:200]} <= known


def test_batches_depend_on_seed_and_epoch_alone(config, tmp_path):
    def drawn(seed, epoch):
        labels = PseudoLabelStore(tmp_path / "pseudo_labels")
        batches = AdapterBatches(labels, open_features(config), config.specialise, seed).of_epoch(epoch)
        return np.concatenate([class_id.numpy() for batch in batches for _, class_id in batch])

    assert (drawn(1, 2) == drawn(1, 2)).all()
    assert (drawn(1, 2) != drawn(1, 3)).any()
    assert (drawn(1, 2) != drawn(2, 2)).any()


def test_kept_scenes_are_read_once_while_they_fit():
    read = []
    kept = KeptScenes(lambda number: read.append(number) or number, lambda _: 10, most_bytes=25)
    assert [kept(number) for number in (0, 1, 2, 0, 1, 2)] == [0, 1, 2, 0, 1, 2]
    assert read == [0, 1, 2, 2]


def test_the_rate_falls_after_20_epochs_or_as_the_original_scheduler_stepped_before_each():
    recipe = load_config(
        VlgConfig, Path(offline_training.__file__).parent / "configs" / "words" / "scannet_code.yaml"
    ).specialise
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], recipe.learning_rate)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=20, gamma=0.7)
    theirs = []
    for _ in range(recipe.epochs):
        optimizer.step()
        scheduler.step()  # train_openseg_pre_train.py: at the beginning of an epoch
        theirs.append(optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose([learning_rate(recipe, epoch) for epoch in range(recipe.epochs)], theirs)
    ours = [learning_rate(SpecialiseConfig(), epoch) for epoch in range(80)]
    drops = [[epoch for epoch in range(1, 80) if one[epoch] < one[epoch - 1]] for one in (theirs, ours)]
    assert drops == [[19, 39, 59, 79], [20, 40, 60]]


def test_a_last_batch_that_is_not_full_is_left_out_where_that_is_asked(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    pseudo_label(config)
    labels, features = PseudoLabelStore(tmp_path / "pseudo_labels"), open_features(config)
    sizes = {}
    for rule in ("smaller", "left_out"):
        numbers = config.specialise.model_copy(update={"last_batch": rule})
        sizes[rule] = [len(batch) for batch in AdapterBatches(labels, features, numbers, 0).of_epoch(0)]
    assert sizes == {"smaller": [2, 1], "left_out": [2]}
