"""The four commands on a team's own bag: weak labels, pre-training, fine-tuning, export; and the package runs on the bag."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter
from offline_training.cli.main import main
from offline_training.networks.image.espnet import ESPNet
from offline_training.synthetic.sensors.drive import write_drive

CONFIGS = Path(__file__).parents[2] / "offline_training" / "configs"
FRAMES = 2


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp("bag") / "drive.mcap"
    write_drive(path, seed=11, frames=FRAMES, image_width=160, workers=1)
    return path


def overrides(**values: object) -> list[str]:
    return [
        f"{name}={yaml.safe_dump(value, default_flow_style=True).removesuffix('...').strip()}"
        for name, value in values.items()
    ]


def run(command: str, recipe: str, **values: object) -> int:
    return main([command, "--config", str(CONFIGS / recipe), *overrides(**values)])


@pytest.mark.slow
def test_a_bag_becomes_weak_labels_a_pretrained_and_a_finetuned_network_and_a_package(tmp_path, bag, capsys):
    torch.manual_seed(0)
    weights = tmp_path / "espnet.safetensors"
    save_file(ESPNet().state_dict(), weights)
    source = {"kind": "ros_bag", "folder": str(bag)}
    small = {"network": "minkunet_small", "voxel_size": [0.6, 0.6, 0.6], "threads": 1, "workers": 0, "progress": False}
    labeler = {"kind": "espnet", "weights": str(weights), "height": 88, "width": 160}
    store, pretrained, finetuned, package = (
        tmp_path / name for name in ("labels", "pretrained", "finetuned", "package")
    )

    assert (
        run(
            "weak-label",
            "weak_labels/ros_bag.yaml",
            source=[source],
            out=str(store),
            labeler=labeler,
            superpixels="none",
        )
        == 0
    )
    assert run(
        "pretrain", "pretrain/ros_bag.yaml", train=[source], out=str(pretrained), weak_labels=str(store), teacher="espnet",
        teacher_weights=str(weights), image_size=[48, 88], augment={"min_pairs": 50}, matches=64, batch_size=1, epochs=None,
        max_steps=2, pair_cache=str(tmp_path / "pairs"), images_every=0, **small,
    ) == 0  # fmt: skip
    labelled = {**source, "label_field": "label", "label_table": "nuscenes16"}
    assert run(
        "finetune", "finetune/ros_bag.yaml", train=[labelled], out=str(finetuned), max_steps=2, batch_size=1,
        start_from=str(pretrained / "checkpoints"), **small,
    ) == 0  # fmt: skip
    cloud_file = tmp_path / "cloud.npz"
    with open_recording(bag) as recording:
        cloud = next(iter(recording.frames())).cloud
    np.savez(cloud_file, xyz_m=cloud.xyz_m, intensity=cloud.intensity)
    card = str(CONFIGS / "export/demo_card.yaml")
    assert main(
        ["export", str(finetuned / "checkpoints"), "--clouds", str(cloud_file), "--card", card, "--out", str(package)]
    ) == 0  # fmt: skip

    answered = Segmenter(load_model_package(str(package))).segment(cloud)
    assert len(answered.class_id) == len(cloud)
    told = capsys.readouterr().out
    assert "checkpoint: " in told
    assert "package: " in told
