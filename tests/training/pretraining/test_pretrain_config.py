"""Configurations of pre-training: every method has its recipe and its own keys; wrong ones are refused."""

import math
from pathlib import Path

import pytest
import torch

import offline_training
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.cli.main import main
from offline_training.datasets.batches.scan_order import ScanOrder
from offline_training.pretraining import methods as method_modules
from offline_training.pretraining.config import load_pretrain_config, pretrain_config_of
from offline_training.pretraining.keys.olivine import OlivineConfig
from offline_training.pretraining.known_methods import METHODS
from offline_training.pretraining.scans import places
from offline_training.pretraining.schedule import Schedule
from offline_training.runs.backbones import build_backbone, preparer_of
from offline_training.runs.ranks import Ranks
from offline_training.runs.resume import stored_config
from tests.training.pretraining.pretrain_scenes import config, settings

RECIPES = sorted((Path(offline_training.__file__).parent / "configs" / "pretrain").glob("*.yaml"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"max_steps": None}, "epochs, max_steps"),
        ({"epochs": 2}, "epochs, max_steps"),
        ({"batch_size": 0}, "batch_size"),
        ({"vmf_decay": 0.0}, "vmf_decay"),
        (
            {"class_model": "none", "vmf_average_over_ranks": True},
            "vmf_average_over_ranks: expected only with class_model",
        ),
        ({"loss_weights": [1.0, 0.5, 0.0], "vmf_average_over_ranks": True}, "non-zero weight of consistency"),
        ({"augment": {"image_size": [8, 8]}}, "augment.image_size"),
        ({"train": [{"kind": "pandaset", "folder": "x", "weight": 2.0}]}, "set order: weights, or remove the weights"),
        ({"method": "moco"}, "method: expected one of cleverdistiller, depthcontrast, olivine, .* found 'moco'"),
        ({"labels": "truth", "weak_labels": "folder"}, "with labels: truth no label store is read"),
        ({"network": "voxelnet", "stem": None, "planes": None, "norm_momentum": 0.05}, "norm_momentum"),
    ],
)
def test_wrong_configurations_are_refused(tmp_path, changes, told):
    with pytest.raises(BadConfig, match=told):
        config(tmp_path, **changes)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads_and_its_network_builds(path):
    run = load_pretrain_config(path)
    with torch.device("meta"):
        assert build_backbone(run, None).feature_channels > 0
    assert run.out
    assert callable(preparer_of(run))


def test_the_recipe_of_the_code_averages_class_statistics_over_processes_and_that_of_the_paper_pools_them():
    for name, averaged in (("olivine_code", True), ("olivine_paper", False)):
        run = load_pretrain_config(RECIPES[0].with_stem(name))
        assert isinstance(run, OlivineConfig)
        assert run.vmf_average_over_ranks == averaged


def test_every_method_has_a_recipe():
    assert {load_pretrain_config(path).method for path in RECIPES} == set(METHODS)


def test_every_file_of_the_methods_is_the_method_of_its_name():
    folder = Path(method_modules.__file__).parent
    assert sorted(METHODS) == sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_refuses_the_keys_of_the_others(tmp_path, method):
    own, every = METHODS[method].config.model_fields, {}
    for other in METHODS.values():
        every |= {name: field.default for name, field in other.config.model_fields.items()}
    foreign = sorted(set(every) - set(own))
    assert foreign or method == "olivine"  # which has a key of each kind
    for key in foreign:
        with pytest.raises(BadConfig, match=f"{key}: only a key of .*the keys of {method} are .*batch_size"):
            config(tmp_path, method=method, **{key: every[key]})


def test_a_method_that_is_no_name_is_refused():
    with pytest.raises(BadConfig, match=r"method: expected one of .* found 5"):
        pretrain_config_of({"method": 5}, "test")


def test_a_key_that_no_method_has_is_refused(tmp_path):
    with pytest.raises(BadConfig, match="masks: no method has such a key"):
        config(tmp_path, masks=0.5)


def test_every_scan_comes_once_in_an_epoch_whatever_the_number_of_processes():
    order = ScanOrder(13, 4, seed=5)
    assert order.steps_per_epoch == 3
    for epoch in range(3):
        steps = range(3 * epoch, 3 * epoch + 3)
        seen = [order.scan(step, place) for step in steps for place in range(4)]
        assert len(set(seen)) == 12
    one = [place for step in places(0, 3, 4, Ranks()) for place in step]
    two = [place for rank in (0, 1) for step in places(0, 3, 2, Ranks(rank, 2)) for place in step]
    assert sorted(one) == sorted(two)
    assert ScanOrder(1, 4, seed=0).scan(7, 3) == 0


def test_the_rate_falls_by_epoch_or_by_step_and_ends_low(tmp_path):
    by_epoch = Schedule(config(tmp_path, schedule="cosine_per_epoch", epochs=4, max_steps=None), 10)
    assert by_epoch.end_step == 40
    rates = [by_epoch.learning_rate(step) for step in range(40)]
    assert len(set(rates)) == 4
    assert rates[0] == 0.005
    assert rates[10] == pytest.approx(0.005 * 0.5 * (1 + math.cos(math.pi / 4)))
    by_step = Schedule(config(tmp_path, max_steps=40), 10)
    assert len({by_step.learning_rate(step) for step in range(40)}) == 40


def test_the_command_takes_a_method_in_place_of_the_configurations_and_refuses_what_it_has_not(tmp_path, rooms, capsys):
    import yaml

    path = tmp_path / "run.yaml"
    train = [{"kind": "pandaset", "folder": str(tmp_path)}]
    path.write_text(yaml.safe_dump(settings(tmp_path / "run", method="ppkt", train=train)))
    command = ["pretrain", "--config", str(path), "--method"]
    assert main([*command, "olivine", "max_steps=1", "labels=truth"]) == 0
    capsys.readouterr()  # a first run may tell that it compiles
    assert main([*command, "pointcontrast"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "method pointcontrast" in told
    assert "image_size: only a key of" in told


def test_the_configuration_of_a_run_whose_keys_said_pictures_can_be_read():
    train = [{"kind": "pandaset", "folder": "p"}]
    today = pretrain_config_of({"method": "ppkt", "out": "x", "train": train, "max_steps": 1}, "here")
    stored = today.model_dump(mode="json")
    stored |= {"pictures_every": stored.pop("images_every"), "picture_cache": stored.pop("image_cache")}
    assert stored_config(type(today), stored, "checkpoint") == today


def test_a_key_of_before_is_told_by_its_name_of_today():
    with pytest.raises(BadConfig, match=r"picture_cache: now image_cache\. Remove") as told:
        pretrain_config_of({"method": "ppkt", "picture_cache": "p"}, "here")
    assert "Did you mean" not in str(told.value)
