"""Detectors begin with the encoder of a pre-training, or with another detector; what differs is told or refused."""

from pathlib import Path

import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.centerpoint.centerpoint import CenterPoint, CenterSettings
from offline_training.networks.pv_rcnn.pv_rcnn import PvRcnn
from offline_training.networks.second.second import Second
from offline_training.networks.voxelnet.encoder import VoxelEncoder
from offline_training.networks.voxelnet.voxelnet import VoxelNet
from offline_training.runs.backbone_config import BackboneConfig
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
from offline_training.runs.start_weights import begin_detector_with
from tests.training.finetuning.detection.parking import config
from tests.training.networks.detection.made_scans import GRID, SMALL_BEV
from tests.training.networks.detection.random_weights import randomise

NUSCENES = {"network": "voxelnet", "voxel_size": (0.1, 0.1, 0.2), "features": ("x", "y", "z", "intensity_255")}
KITTI = BackboneConfig(network="voxelnet", voxel_size=(0.05, 0.05, 0.1), features=("x", "y", "z", "intensity"))


def second(in_channels: int = 4) -> Second:
    return Second(VoxelEncoder(in_channels), GRID, bev=SMALL_BEV)


def centerpoint() -> CenterPoint:
    return CenterPoint(VoxelEncoder(4), GRID, CenterSettings(groups=((0,), (1, 2)), shared_channels=8), SMALL_BEV)


def saved(folder: Path, source: torch.nn.Module, prefix: str, **config: object) -> Path:
    randomise(source, 3)
    tensors = {f"{prefix}.{name}": tensor for name, tensor in source.state_dict().items()}
    return save_checkpoint(folder, Checkpoint(1, {**tensors, "heads.point.linear.weight": torch.ones(2)}, config, {}))


def equal_names(one: torch.nn.Module, other: torch.nn.Module) -> set[str]:
    theirs = other.state_dict()
    return {name for name, tensor in one.state_dict().items() if name in theirs and torch.equal(tensor, theirs[name])}


@pytest.mark.parametrize("build", [second, centerpoint])
@pytest.mark.parametrize("head", [None, 16])
def test_the_encoder_of_a_pre_training_is_taken_and_the_rest_stays_fresh(tmp_path, build, head):
    source = VoxelNet(head)
    path = saved(tmp_path, source, "network", **NUSCENES)
    detector = build()
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    start = begin_detector_with(detector, path, "kitti3", KITTI)
    expected = VoxelEncoder(4)
    expected.load_state_dict(
        {name: value for name, value in source.state_dict().items() if not name.startswith("head.")}
    )
    assert equal_names(detector.backbone, expected) == set(expected.state_dict())
    assert all(torch.equal(detector.state_dict()[name], before[name]) for name in start.fresh)
    assert {name.split(".")[0] for name in start.fresh} == {"bev", "head"}
    assert set(start.left_there) == (set() if head is None else {"backbone.head.weight", "backbone.head.bias"})
    assert [told.split()[0] for told in start.other_inputs] == ["voxel_size", "features"]


@pytest.mark.parametrize(("classes", "takes_head"), [("kitti3", True), ("nuscenes10", False)])
def test_another_detector_gives_all_and_its_head_for_the_same_classes_only(tmp_path, classes, takes_head):
    source, detector = second(), second()
    path = saved(tmp_path, source, "ema", classes="kitti3")
    start = begin_detector_with(detector, path, classes)
    taken = {name for name in source.state_dict() if takes_head or not name.startswith("head.")}
    assert set(start.taken) == taken
    assert taken <= equal_names(detector, source)


@pytest.mark.parametrize(
    ("changes", "takes_head"), [({}, True), ({"matched": 0.5}, True), ({"size": [10.0, 3.0, 3.0]}, False)]
)
def test_a_head_comes_along_only_with_the_anchors_it_was_trained_on(tmp_path, changes, takes_head):
    anchor = {"size": [4.0, 1.8, 1.6], "bottom": -1.6, "matched": 0.6, "unmatched": 0.45}
    anchors = [{"name": name, **anchor} for name in ("Car", "Pedestrian", "Cyclist")]
    path = saved(tmp_path, second(), "network", classes="kitti3", anchors=anchors)
    here = [{**one, **changes} for one in anchors]
    start = begin_detector_with(
        second(), path, "kitti3", config(tmp_path, network="second", shared_channels=64, anchors=here)
    )
    assert {name.split(".")[0] for name in start.fresh} == (set() if takes_head else {"head"})


def test_a_detector_of_another_kind_gives_encoder_and_map_network(tmp_path):
    detector = centerpoint()
    start = begin_detector_with(detector, saved(tmp_path, second(), "network", classes="kitti3"), "kitti3")
    assert {name.split(".")[0] for name in start.taken} == {"backbone", "bev"}
    assert {name.split(".")[0] for name in start.left_there} == {"head"}


def test_a_second_gives_a_pv_rcnn_its_first_stage(tmp_path):
    source, detector = second(), PvRcnn(VoxelEncoder(4), GRID, bev=SMALL_BEV)
    start = begin_detector_with(detector, saved(tmp_path, source, "network", classes="kitti3"), "kitti3")
    assert set(start.taken) == set(source.state_dict()) <= equal_names(detector, source)
    assert {name.split(".")[0] for name in start.fresh} == {"keypoints", "point_head", "roi_head"}


def test_a_pv_rcnn_gives_a_second_all_it_needs(tmp_path):
    source, detector = PvRcnn(VoxelEncoder(4), GRID, bev=SMALL_BEV), second()
    start = begin_detector_with(detector, saved(tmp_path, source, "network", classes="kitti3"), "kitti3")
    assert start.fresh == ()
    assert set(detector.state_dict()) <= equal_names(detector, source)


@pytest.mark.parametrize(
    ("detector", "told"),
    [
        (second(in_channels=5), "found 1 others: backbone.input.weight 27x4x16 for 27x5x16"),
        (Second(VoxelEncoder(4, residual=True), GRID, bev=SMALL_BEV), "backbone.levels.0.0.conv1.weight nothing for"),
    ],
)
def test_an_encoder_of_another_shape_is_refused(tmp_path, detector, told):
    with pytest.raises(BadCheckpoint, match=told):
        begin_detector_with(detector, saved(tmp_path, VoxelNet(None), "network"), "kitti3")


def test_a_checkpoint_without_an_encoder_is_refused(tmp_path):
    path = saved(tmp_path, torch.nn.Linear(2, 2), "network")
    with pytest.raises(BadCheckpoint, match="expected weights of Second, found none of its names among 3 tensors"):
        begin_detector_with(second(), path, "kitti3")
