"""`lidar-vl-train from-bags` on a synthetic drive: every stage, its second run, more steps, and what it says when a stage cannot."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from offline_training.cli.main import main
from offline_training.networks.image.espnet import ESPNet
from offline_training.synthetic.sensors.drive import write_drive
from offline_training.synthetic.sensors.lidar_spec import LIDARS

SMALL = {
    "network": "minkunet_small", "voxel_size": [0.6, 0.6, 0.6], "max_steps": 2, "batch_size": 1, "optimizer": "adamw",
    "learning_rate": 0.003, "threads": 1, "workers": 0, "progress": False, "out": "-", "train": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp("bag") / "drive.mcap"
    write_drive(path, 11, 3, LIDARS["vlp16"], image_width=160, workers=1)
    return path


@pytest.fixture
def recipe(tmp_path):
    def written(name, **content):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return written


@pytest.mark.slow
def test_a_drive_becomes_labels_a_backbone_a_probe_and_a_report_and_the_second_run_does_nothing(
    bag, recipe, tmp_path, capsys
):
    torch.manual_seed(0)
    weights, out = str(tmp_path / "espnet.safetensors"), tmp_path / "run"
    save_file(ESPNet().state_dict(), weights)
    labeler = {"kind": "espnet", "weights": weights, "height": 88, "width": 160}
    olivine = {"method": "olivine", "weak_labels": "-", "teacher": "espnet", "image_size": [48, 88],
               "augment": {"min_pairs": 50}, "matches": 64, "images_every": 0, **SMALL}  # fmt: skip
    command = [
        "from-bags", str(bag), "--out", str(out), "--pretrain", recipe("olivine", **olivine), "--teacher-weights", weights,
        "--weak-labels", recipe("labels", out="-", source=[], labeler=labeler, progress=False),
    ]  # fmt: skip
    assert main(command) == 0
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if line.startswith("[")] == [
        f"[{number}/5] {name}"
        for number, name in enumerate(("check", "weak labels", "pre-train", "probe", "report"), 1)
    ]
    assert "2 clouds to train on, 1 held out, of 3" in told
    assert "it is not accuracy" in told
    report = (out / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 3  # features, loss, weak labels
    assert (out / "pretrain/checkpoints/last.json").is_file()

    assert main(command) == 0
    assert re.findall(r"\[\d/5\] (.*)", capsys.readouterr().out) == [
        f"{name}: done before" for name in ("check", "weak labels", "pre-train", "probe", "report")
    ]
    assert main([*command, "--steps", "4"]) == 0  # goes on from the two that are done
    assert "[2/5] weak labels: done before\n[3/5] pre-train\n" in capsys.readouterr().out
    assert json.loads((out / "stages/3_pre-train.json").read_text())["found"]["steps"] == 4


@pytest.mark.slow
def test_without_images_geometry_is_learned_from_and_truth_is_probed(bag, recipe, tmp_path, capsys):
    lidar_only, out = tmp_path / "lidar.mcap", tmp_path / "run"
    with open_bag(bag) as drive, BagWriter(lidar_only) as copy:
        for each in drive.messages(["/lidar/points"]):
            copy.write(each.topic, each.type, each.stamp_ns, each.message)
    geometry = recipe("geometry", method="pointcontrast", **SMALL)
    command = ["from-bags", str(lidar_only), "--out", str(out), "--pretrain", geometry]
    assert main([*command, "--label-field", "label", "--label-table", "nuscenes16"]) == 0
    told = capsys.readouterr().out
    assert "Linear probe on 1 held-out cloud: mean IoU" in told
    assert "Only 2 clouds were trained on" in told
    assert (out / "report.html").read_text().count("data:image/png;base64,") == 2

    needs_images = recipe("ppkt", method="ppkt", teacher="espnet", allow_random_weights=True, **SMALL)
    assert main(["from-bags", str(lidar_only), "--out", str(tmp_path / "other"), "--pretrain", needs_images]) == 2
    refused = capsys.readouterr().err
    assert "stage 1 of 5, check: " in refused
    assert "expected images that belong to the clouds, found no camera with images and camera_info" in refused
    assert refused.count("\n") == 1


def test_what_is_not_there_is_told_before_any_work(tmp_path, capsys):
    assert main(["from-bags", str(tmp_path / "none.mcap"), "--out", str(tmp_path / "run")]) == 2
    assert "none.mcap: expected the data set ros_bag" in capsys.readouterr().err
    assert not Path(tmp_path / "run").exists()
