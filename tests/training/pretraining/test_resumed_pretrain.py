"""A pre-training goes on to the same losses, and another one or fine-tuning begins with its weights."""

import json
from pathlib import Path

import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from offline_training.finetuning.config import FinetuneConfig
from offline_training.pretraining import pretrain as pretrain_module
from offline_training.pretraining.base.config import PretrainConfig
from offline_training.pretraining.pretrain import pretrain
from offline_training.runs.backbones import build_backbone
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.start_weights import begin_with
from tests.training.pretraining.pretrain_scenes import config, of_store, settings
from tests.training.training_log import losses


@pytest.mark.slow
@pytest.mark.parametrize("method", ["olivine", "depthcontrast"])
def test_it_goes_on_to_the_same_losses_and_weights(tmp_path, rooms, method):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    reference = pretrain(config(whole, method=method, max_steps=2, optimizer="sgd", learning_rate=0.05))
    changes = {"method": method, "max_steps": 2, "optimizer": "sgd", "learning_rate": 0.05, "checkpoint_every": 1}
    pretrain_until(config(halves, **changes), 1)
    resumed = pretrain(config(halves, **changes, workers=1))
    assert losses(halves) == losses(whole)
    one, other = load_checkpoint(resumed).tensors, load_checkpoint(reference).tensors
    assert one.keys() == other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_scans_from_the_cache_give_the_same_losses_and_methods_do_not_share_them(tmp_path, rooms, labels):
    def run(name: str, method: str = "olivine", **changes: object) -> dict[int, float]:
        pretrain(config(tmp_path / name, method=method, **of_store(method, labels), **changes))
        return losses(tmp_path / name)

    cache = str(tmp_path / "cache")
    assert run("first", pair_cache=cache) == run("second", pair_cache=cache) == run("none")
    assert run("superpixels", method="slidr", pair_cache=cache) == run("superpixels_none", method="slidr")
    assert len(list(Path(cache).glob("*/identity.json"))) == 2


class Stopped(Exception):
    pass


def pretrain_until(run: PretrainConfig, step: int) -> None:
    """The run, as if the machine had gone after a step."""
    right = pretrain_module.Pretraining.on_train_batch_end

    def stop(self: object, *arguments: object) -> None:
        right(self, *arguments)
        if self.step == step:
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain_module.Pretraining, "on_train_batch_end", stop)
        with pytest.raises(Stopped):
            pretrain(run)


def test_finetune_begins_with_the_weights_and_a_fresh_head(tmp_path, rooms):
    path = pretrain(config(tmp_path, max_steps=1))
    shared = {name: value for name, value in settings(tmp_path).items() if name in FinetuneConfig.model_fields}
    shared.pop("augment")
    network = build_backbone(FinetuneConfig.model_validate_json(json.dumps(shared), strict=True), 16)
    begun = begin_with(network, path, "nuscenes16")
    stored = load_checkpoint(path).tensors
    assert all(name.startswith("head.") for name in begun.fresh)
    own = network.state_dict()
    assert all(torch.equal(own[name], stored[f"network.{name}"]) for name in begun.taken)


def test_a_run_of_another_configuration_is_not_continued(tmp_path, rooms):
    pretrain(config(tmp_path, max_steps=1))
    with pytest.raises(BadCheckpoint, match="temperature"):
        pretrain(config(tmp_path, max_steps=1, temperature=0.1))
    with pytest.raises(BadCheckpoint, match="expected no checkpoint"):
        pretrain(config(tmp_path, max_steps=1), resume="never")


def test_a_run_begins_with_network_heads_and_distributions_of_another_where_its_epochs_ended(tmp_path, rooms):
    first = load_checkpoint(pretrain(config(tmp_path / "first", epochs=2, max_steps=None)))  # 4 rooms in batches of 2
    start = {"start_from": str(tmp_path / "first" / "checkpoints"), "start_epoch": 2}
    second = load_checkpoint(pretrain(config(tmp_path / "second", epochs=3, max_steps=None, **start)))
    assert sorted(losses(tmp_path / "second")) == [4, 5]
    assert second.step == 6
    name = "objective.statistics.mean_feature"
    assert first.tensors[name].any()
    assert torch.equal(second.tensors[name], first.tensors[name])  # frozen after step 0
    long = load_checkpoint(pretrain(config(tmp_path / "first", epochs=3, max_steps=None)))
    assert losses(tmp_path / "first")[4] == pytest.approx(losses(tmp_path / "second")[4], rel=1e-5)
    assert set(long.tensors) == set(second.tensors)
    with pytest.raises(BadConfig, match="start_epoch"):
        config(tmp_path, epochs=2, max_steps=None, **start)
