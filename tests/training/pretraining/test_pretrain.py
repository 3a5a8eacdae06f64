"""A short pre-training: every method and every choice runs to finite losses, OLIVINE learns, and the log tells."""

import math

import pytest
import torch

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.pretraining import pretrain as pretrain_module
from offline_training.pretraining.known_methods import METHODS
from offline_training.pretraining.pretrain import pretrain
from offline_training.runs.backbones import build_backbone
from offline_training.runs.checkpoint import load_checkpoint
from tests.training.pretraining.pretrain_scenes import ListedRooms, Rooms, config, of_store
from tests.training.training_log import lines, losses


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_to_finite_losses_and_other_weights(tmp_path, rooms, labels, method):
    path = pretrain(config(tmp_path, method=method, **of_store(method, labels)))
    assert [math.isfinite(loss) for loss in losses(tmp_path).values()] == [True] * 3
    assert lines(tmp_path)[-1]["bad_steps"] == 0
    trained = load_checkpoint(path)
    torch.manual_seed(0)
    fresh = build_backbone(config(tmp_path), None).state_dict()
    assert any(not torch.equal(trained.tensors[f"network.{name}"], tensor) for name, tensor in fresh.items())
    assert any(name.startswith("heads.") for name in trained.tensors)
    assert not any("teacher" in name for name in trained.tensors)


@pytest.mark.parametrize("method", ["seal", "pointcontrast"])
def test_methods_over_time_take_a_source_without_poses(tmp_path, monkeypatch, labels, method):
    monkeypatch.setattr(pretrain_module, "open_source", lambda *_: ListedRooms())
    pretrain(config(tmp_path, method=method, max_steps=1, **of_store(method, labels)))
    assert math.isfinite(losses(tmp_path)[0])


def test_olivine_falls_when_it_sees_one_scan_again_and_again(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain_module, "open_source", lambda *_: Rooms(1))
    still = {"turn": False, "flip_probability": 0.0, "drop_cuboid": False, "crop": False, "image_flip_probability": 0.0}
    still["shuffle_images"] = False
    pretrain(config(tmp_path, max_steps=20, batch_size=1, augment=still, average_over_positives=False))
    told = lines(tmp_path)
    assert told[-1]["weakly_supervised"] < 0.6 * told[0]["weakly_supervised"]
    assert told[-1]["point_pixel"] < told[0]["point_pixel"]
    assert told[-1]["loss"] < told[1]["loss"]  # consistency begins at step 1
    assert told[-1]["kappa/driveable_surface"] > 0
    assert told[-1]["learning_rate"] < 0.02 * told[0]["learning_rate"]


@pytest.mark.parametrize(
    "changes",
    [
        {"heads": "coupled"},
        {"class_model": "dirac"},
        {"class_model": "none"},
        {"sampling": "random", "kl_average": "points"},
        {"loss_weights": [1.0, 0.0, 0.0]},
        {"optimizer": "sgd", "learning_rate": 0.1, "vmf_bias_correction": True},
        {"occlusion": "zbuffer", "average_over_positives": False, "schedule": "cosine_per_epoch"},
    ],
)
def test_every_choice_of_the_ablations_trains(tmp_path, rooms, changes):
    pretrain(config(tmp_path, **{"max_steps": 2, **changes}))
    assert all(math.isfinite(loss) for loss in losses(tmp_path).values())
    assert ("weakly_supervised" in lines(tmp_path)[0]) == (changes.get("loss_weights", [1, 1, 1])[1] > 0)


def test_teacher_weights_that_are_missing_are_asked_for(tmp_path, rooms):
    with pytest.raises(BadConfig, match="teacher_weights"):
        pretrain(config(tmp_path, allow_random_weights=False))


def test_the_log_tells_times_by_stage_and_draws_similarities(tmp_path, rooms):
    pretrain(config(tmp_path, images_every=2))
    line = lines(tmp_path)[-1]
    stages = ("data", "backbone", "teacher", "sampling_and_loss", "backward", "optimizer")
    assert sum(line[f"seconds/{stage}"] for stage in stages) == pytest.approx(line["step_seconds"])
    assert line["memory_gb"] > 0
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["similarity_00000002.png"]
