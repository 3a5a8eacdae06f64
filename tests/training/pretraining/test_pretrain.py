"""A short pre-training: every method runs, OLIVINE learns, goes on to the same losses, and finetune begins with its weights."""

import json
import math
from pathlib import Path

import pytest
import torch

import offline_training
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadRequest
from offline_training.cli.main import main
from offline_training.datasets import data_sources
from offline_training.datasets.batches.scan_order import ScanOrder
from offline_training.finetuning.config import FinetuneConfig
from offline_training.pretraining import methods as method_modules
from offline_training.pretraining import pretrain as pretrain_module
from offline_training.pretraining.base.config import PretrainConfig
from offline_training.pretraining.config import load_pretrain_config, pretrain_config_of
from offline_training.pretraining.keys.olivine import OlivineConfig
from offline_training.pretraining.known_methods import METHODS
from offline_training.pretraining.pretrain import pretrain
from offline_training.pretraining.scans import places
from offline_training.pretraining.schedule import Schedule
from offline_training.runs.backbones import build_backbone, preparer_of
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.ranks import Ranks
from offline_training.runs.start_weights import begin_with
from tests.training.pretraining.pretrain_scenes import (
    ListedRooms,
    Rooms,
    config,
    settings,
    write_labels,
    write_superpixels,
)

RECIPES = sorted((Path(offline_training.__file__).parent / "configs" / "pretrain").glob("*.yaml"))


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> Rooms:
    one = Rooms()
    monkeypatch.setattr(pretrain_module, "open_source", lambda *_: one)
    monkeypatch.setattr(data_sources, "require_data", lambda *_: None)
    return one


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_labels(tmp_path_factory.mktemp("labels"), Rooms()))


def of_store(method: str, labels: str) -> dict[str, str]:
    """The keys that make a method read a label store, of those that read one."""
    known = METHODS[method].config.model_fields
    return {name: value for name, value in (("labels", "weak"), ("weak_labels", labels)) if name in known}


def lines(out: Path) -> list[dict]:
    return [json.loads(text) for text in (out / "metrics.jsonl").read_text().splitlines()]


def losses(out: Path) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in lines(out)}


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


def test_superpixel_methods_need_no_weak_classes(tmp_path, rooms):
    store = write_superpixels(tmp_path / "superpixels", rooms)
    pretrain(config(tmp_path / "run", method="slidr", weak_labels=str(store)))
    assert len(losses(tmp_path / "run")) == 3


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


def test_weak_labels_of_the_store_are_read_and_uncovered_pairs_take_no_part(tmp_path, rooms, labels):
    pretrain(config(tmp_path, labels="weak", weak_labels=labels, max_steps=1))
    (line,) = lines(tmp_path)
    assert 0 < line["labelled_pairs"] < line["pairs"]
    assert any(name.startswith("kappa/") for name in line)


def test_labels_that_are_all_missing_leave_the_point_pixel_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain_module, "open_source", lambda *_: Rooms(2, labelled=False))
    pretrain(config(tmp_path, max_steps=2))
    assert [line["weakly_supervised"] for line in lines(tmp_path)] == [0.0, 0.0]
    assert [line["consistency"] for line in lines(tmp_path)] == [0.0, 0.0]
    assert all(line["point_pixel"] > 0 for line in lines(tmp_path))


@pytest.mark.parametrize("points", [700, 0])
def test_pictures_without_pairs_and_batches_without_any_train_on(tmp_path, monkeypatch, points):
    monkeypatch.setattr(pretrain_module, "open_source", lambda *_: Rooms(2, blind=True, points=points))
    pretrain(config(tmp_path, max_steps=2))
    assert [line["bad_steps"] for line in lines(tmp_path)] == [0, 0]
    assert (lines(tmp_path)[0]["pairs"] == 0) == (points == 0)


@pytest.mark.parametrize("method", ["olivine", "slidr"])
def test_a_missing_label_store_names_the_command_that_makes_it(tmp_path, rooms, method):
    for folder in (None, str(tmp_path / "nothing")):
        with pytest.raises((BadConfig, BadRequest), match="lidar-vl-train weak-label"):
            pretrain(config(tmp_path / "run", method=method, **{**of_store(method, ""), "weak_labels": folder}))


def test_teacher_weights_that_are_missing_are_asked_for(tmp_path, rooms):
    with pytest.raises(BadConfig, match="teacher_weights"):
        pretrain(config(tmp_path, allow_random_weights=False))


def test_a_run_of_another_configuration_is_not_continued(tmp_path, rooms):
    pretrain(config(tmp_path, max_steps=1))
    with pytest.raises(BadCheckpoint, match="temperature"):
        pretrain(config(tmp_path, max_steps=1, temperature=0.1))
    with pytest.raises(BadCheckpoint, match="expected no checkpoint"):
        pretrain(config(tmp_path, max_steps=1), resume="never")


def test_the_log_tells_times_by_stage_and_draws_similarities(tmp_path, rooms):
    pretrain(config(tmp_path, pictures_every=2))
    line = lines(tmp_path)[-1]
    stages = ("data", "backbone", "teacher", "sampling_and_loss", "backward", "optimizer")
    assert sum(line[f"seconds/{stage}"] for stage in stages) == pytest.approx(line["step_seconds"])
    assert line["memory_gb"] > 0
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["similarity_00000002.png"]


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


def test_the_command_prints_one_line_for_a_missing_store(tmp_path, rooms, capsys):
    import yaml

    path = tmp_path / "run.yaml"
    train = [{"kind": "pandaset", "folder": str(tmp_path)}]
    path.write_text(yaml.safe_dump(settings(tmp_path / "run", method="st_slidr", train=train)))
    assert main(["pretrain", "--config", str(path), "--method", "slidr"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "method slidr" in told


def test_the_command_takes_a_method_in_place_of_the_configurations_and_refuses_what_it_has_not(tmp_path, rooms, capsys):
    import yaml

    path = tmp_path / "run.yaml"
    train = [{"kind": "pandaset", "folder": str(tmp_path)}]
    path.write_text(yaml.safe_dump(settings(tmp_path / "run", method="ppkt", train=train)))
    command = ["pretrain", "--config", str(path), "--method"]
    assert main([*command, "olivine", "max_steps=1", "labels=truth"]) == 0
    assert main([*command, "pointcontrast"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "method pointcontrast" in told
    assert "image_size: only a key of" in told


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
