"""Configurations of detection: what they refuse, and that the shipped ones are whole."""

from pathlib import Path

import pytest
import yaml

import offline_training
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.cli.main import main
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.detection.config import DetectFinetuneConfig
from offline_training.finetuning.detection.detectors import build_detector, judging_preparer
from offline_training.finetuning.tasks import load_finetune_config, load_validation_config
from tests.training.finetuning.detection.parking import config, settings

CAR = {"name": "Car", "size": [4.2, 1.8, 1.5], "bottom": -1.7, "matched": 0.6, "unmatched": 0.45}
PEDESTRIAN, CYCLIST = CAR | {"name": "Pedestrian"}, CAR | {"name": "Cyclist", "matched": 0.5, "unmatched": 0.35}
SHIPPED = sorted((Path(offline_training.__file__).parent / "configs" / "finetune" / "detection").glob("*.yaml"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"stem": 16}, "stem: expected no such key"),
        ({"network": "pointpillars"}, "network: expected"),
        ({"network": "second", "velocity": True, "shared_channels": 64}, "velocity: expected only with network centerpoint"),
        ({"network": "second", "axis_alone": True, "shared_channels": 64}, "axis_alone: expected only with network center"),
        ({"network": "second", "shared_channels": 64, "classes": "nuscenes10"}, "anchors: expected one for each class of nuscenes10 once, found none of car, truck,"),
        ({"network": "second", "shared_channels": 64, "anchors": [CAR]}, "found none of Pedestrian, Cyclist"),
        ({"network": "second", "shared_channels": 64, "anchors": [CAR, PEDESTRIAN, CAR, CYCLIST]}, "found Car, Pedestrian, Car, Cyclist"),
        ({"network": "second", "shared_channels": 64, "anchors": [CAR | {"size": [4.0, 0.0, 1.5]}]}, "anchors.0.size.1"),
        ({"network": "second", "shared_channels": 64, "anchors": [CAR | {"unmatched": 0.9}]}, "unmatched: expected at most matched"),
        ({"network": "second", "shared_channels": 64, "anchors": [{"name": "Car"}]}, "anchors.0.size"),
        ({"anchors": [CAR]}, "anchors: expected only with network second or pv_rcnn"),
        ({"groups": [["car"]]}, "expected every class of kitti3 once"),
        ({"bev_widths": [16, 32]}, "one number per block"),
        ({"paste": {"objects": {"car": 2}}}, "paste, objects: expected both or neither"),
        ({"epochs": 3, "max_steps": 10000}, "expected order epochs or classes"),
        ({"order": "epochs", "epochs": 3, "max_steps": 5}, "max_steps: expected only without epochs"),
        ({"order": "epochs", "train": [{"kind": "pandaset", "folder": "a", "weight": 2.0}]}, "weight: expected 1"),
        ({"train": []}, "at least one data set"),
        ({"validate_every": 5}, "validate_every: expected only with validation"),
        ({"learning_rate": "0.1"}, "learning_rate"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(tmp_path, changes, told):
    with pytest.raises(BadConfig, match="test: ") as refused:
        config(tmp_path, **changes)
    assert told in str(refused.value)


@pytest.mark.parametrize("network", ["second", "pv_rcnn"])
def test_anchors_of_a_configuration_stand_in_the_head_by_their_classes(tmp_path, network):
    chosen = settings(tmp_path, network=network, classes="kitti3", anchors=[CYCLIST, CAR, PEDESTRIAN])
    del chosen["shared_channels"]
    head = build_detector(validated(DetectFinetuneConfig, chosen, "test")).head
    assert head.settings.class_ids == (2, 0, 1)
    assert [(limits.matched, limits.unmatched) for limits in head.settings.thresholds][:2] == [(0.5, 0.35), (0.6, 0.45)]
    assert head.anchors_by_cell[0, 0, 1, 0, 2:7].tolist() == pytest.approx([-1.7 + 0.75, 4.2, 1.8, 1.5, 0.0])


def test_a_file_says_of_which_task_it_is(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(settings(tmp_path)))
    assert isinstance(load_finetune_config(path), DetectFinetuneConfig)
    path.write_text(yaml.safe_dump({"out": "out", "train": [{"kind": "pandaset", "folder": "a"}]}))
    assert isinstance(load_finetune_config(path), FinetuneConfig)
    with pytest.raises(
        BadConfig, match=r"expected one of segmentation, detection, found 'detektion'.*Did you mean detection"
    ):
        load_finetune_config(path, {"task": "detektion"})


def test_an_evaluation_needs_validation_sets_alone(tmp_path):
    path = tmp_path / "sets.yaml"
    path.write_text(yaml.safe_dump({"task": "detection", "validation": [{"kind": "pandaset", "folder": "a"}]}))
    assert [source.folder for source in load_validation_config(path).validation] == ["a"]
    assert load_validation_config(path, {"classes": "nuscenes10"}).classes == "nuscenes10"
    with pytest.raises(BadConfig, match="validation"):
        load_validation_config(path, {"validation": []})


def test_a_run_is_refused_before_it_begins(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    path.write_text(
        yaml.safe_dump(
            settings(tmp_path, train=[{"kind": "pandaset", "folder": str(tmp_path / "none")}], classes="nuscenes10")
        )
    )
    assert main(["finetune", "--config", str(path)]) == 2
    assert "found no such folder" in capsys.readouterr().err
    assert main(["finetune", "--config", str(path), "train.0.kind=daps3d", f"train.0.folder={tmp_path}"]) == 2
    assert "expected one with boxes" in capsys.readouterr().err


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_recipe_makes_a_detector(path):
    recipe = load_finetune_config(path)
    assert isinstance(recipe, DetectFinetuneConfig)
    network = build_detector(recipe)
    judging_preparer(recipe)
    assert sum(parameter.numel() for parameter in network.parameters()) > 100_000
    assert validated(DetectFinetuneConfig, recipe.model_dump(mode="json"), "stored", stored=True) == recipe
