"""The weights a run begins with: what is taken, what stays fresh, what is refused."""

from pathlib import Path

import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.finetuning import finetune as finetune_module
from offline_training.finetuning.evaluate import build_network
from offline_training.finetuning.finetune import finetune
from offline_training.runs.backbones import build_backbone
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
from offline_training.runs.start_weights import begin_with
from tests.training.finetuning.rooms import Rooms, config
from tests.training.training_log import lines


def saved(folder: Path, tensors: dict[str, torch.Tensor], **settings: object) -> Path:
    return save_checkpoint(folder, Checkpoint(1, tensors, settings, {}))


def pretraining(folder: Path, **extra: torch.Tensor) -> Path:
    """As `pretrain` writes it: a backbone without a head, and heads of its own under other prefixes."""
    torch.manual_seed(7)
    backbone = build_backbone(config(folder), None)
    tensors = {f"network.{name}": tensor for name, tensor in backbone.state_dict().items()}
    return saved(folder, {**tensors, "point_head.weight": torch.ones(64, 16), **extra}, method="olivine")


def test_the_backbone_of_a_pre_training_is_taken_and_the_head_stays_fresh(tmp_path):
    path = pretraining(tmp_path, **{"network.projection.weight": torch.ones(2)})
    network, same = (build_network(config(tmp_path)) for _ in range(2))
    same.load_state_dict(network.state_dict())
    start = begin_with(network, path, "nuscenes16")
    torch.manual_seed(7)
    source = build_backbone(config(tmp_path), None).state_dict()
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in source.items())
    assert torch.equal(network.head.weight, same.head.weight)
    assert start.fresh == ("head.weight", "head.bias")
    assert start.left_there == ("projection.weight",)
    assert set(start.taken) == set(source)
    assert "not used: projection.weight; fresh: head.weight, head.bias" in start.told()


@pytest.mark.parametrize(
    ("classes", "count", "takes_head"),
    [("nuscenes16", 16, True), ("semantic_kitti19", 19, False), ("sixteen_others", 16, False)],
)
def test_a_head_comes_along_from_the_same_classes_only(tmp_path, classes, count, takes_head):
    other = build_backbone(config(tmp_path), count)
    path = saved(tmp_path, {f"ema.{name}": tensor for name, tensor in other.state_dict().items()}, classes=classes)
    network = build_network(config(tmp_path))
    start = begin_with(network, path, "nuscenes16")
    assert ("head.weight" in start.taken) == takes_head
    assert ("head.weight" in start.fresh) == ("head.weight" in start.left_there) == (not takes_head)
    assert torch.equal(network.stem[0].conv.weight, other.stem[0].conv.weight)
    assert not takes_head or torch.equal(network.head.weight, other.head.weight)


def test_inputs_other_than_those_the_weights_were_trained_on_are_told(tmp_path):
    trained = config(tmp_path)
    tensors = {f"network.{name}": tensor for name, tensor in build_backbone(trained, None).state_dict().items()}
    path = saved(tmp_path, tensors, **trained.model_dump(mode="json", include={"grid_kind", "voxel_size", "features"}))
    coarser = config(tmp_path, voxel_size=[0.9, 0.9, 0.9])
    assert begin_with(build_network(trained), path, "nuscenes16", trained).other_inputs == ()
    told = begin_with(build_network(coarser), path, "nuscenes16", coarser).told()
    assert f"voxel_size {list(trained.voxel_size)} there, [0.9, 0.9, 0.9] here" in told


def test_a_checkpoint_that_gives_nothing_is_refused(tmp_path):
    path = saved(tmp_path, {"network.head.weight": torch.ones(16, 16), "teacher.weight": torch.ones(3)})
    with pytest.raises(BadCheckpoint, match="expected weights of MinkUNet, found none of its names among 2 tensors"):
        begin_with(build_network(config(tmp_path)), path, "nuscenes16")


@pytest.mark.parametrize(
    "change", [{"planes": [16] * 7 + [32]}, {"stem": 32}, {"features": ["intensity"]}, {"blocks": [2] * 8}], ids=str
)
def test_a_backbone_of_another_shape_is_refused_as_a_whole(tmp_path, change):
    path = pretraining(tmp_path)
    network = build_network(config(tmp_path, **change))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(BadCheckpoint, match=r"of the configured shape, found \d+ others: .* for \d+x"):
        begin_with(network, path, "nuscenes16")
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_run_records_what_it_began_with_and_keeps_the_record_when_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(finetune_module, "open_source", lambda *_: Rooms())
    path = pretraining(tmp_path / "first")
    settings = {"start_from": str(path), "ema_decay": 0.0}
    finetune(config(tmp_path / "second", max_steps=4, **settings))
    finetune(config(tmp_path / "second", max_steps=4, **settings), resume="previous")
    told = lines(tmp_path / "second")
    assert told[0] == {
        "started_from": str(path),
        "taken": len(build_backbone(config(tmp_path), None).state_dict()),
        "not_taken": [],
        "fresh": ["head.weight", "head.bias"],
        "other_inputs": [],
    }
    assert [line["step"] for line in told[1:]] == [0, 1, 2, 3]
