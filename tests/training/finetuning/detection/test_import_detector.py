"""Files of OpenPCDet's detectors become checkpoints that evaluate and finetune read."""

import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.cli.main import main
from offline_training.finetuning.detection.config import DetectFinetuneConfig
from offline_training.finetuning.detection.detectors import build_detector, load_detector
from offline_training.finetuning.detection.import_detector import import_detector
from offline_training.finetuning.tasks import DETECTION, checkpoint_task
from tests.training.networks.detection.openpcdet_reference import detector_state


@pytest.fixture
def second_file(tmp_path):
    """A file as OpenPCDet writes it, with random weights."""
    run = DetectFinetuneConfig(task="detection", out="", train=({"kind": "kitti_object", "folder": ""},))
    state = detector_state(build_detector(run).state_dict())
    path = tmp_path / "second.pth"
    torch.save(
        {"model_state": {**state, "global_step": torch.zeros(1)}, "epoch": 80, "it": 1, "version": "pcdet"}, path
    )
    return path


def test_a_second_of_openpcdet_becomes_a_detector(second_file, tmp_path, capsys):
    assert main(["import-checkpoint", str(second_file), "--kind", "second", "--out", str(tmp_path / "out")]) == 0
    assert "detector: second" in capsys.readouterr().out
    assert checkpoint_task(tmp_path / "out") == DETECTION
    network, config = load_detector(tmp_path / "out")
    assert config.voxel_size == (0.05, 0.05, 0.1)
    theirs = torch.load(second_file, weights_only=True)["model_state"]
    assert torch.equal(network.head.conv_box.weight, theirs["dense_head.conv_box.weight"])


def test_a_file_of_another_detector_is_refused(second_file, tmp_path):
    with pytest.raises(BadCheckpoint, match=r"second\.pth: .*missing"):
        import_detector(second_file, "centerpoint", tmp_path / "out")
    torch.save({"model_state": {"weight": torch.zeros(2)}}, tmp_path / "other.pth")
    with pytest.raises(BadCheckpoint, match=r"expected one tensor backbone_3d\.conv_input\.0\.weight"):
        import_detector(tmp_path / "other.pth", "second", tmp_path / "out")
