"""Labels of a pre-training: read from the store, partly or wholly missing, or asked for by the command that makes them."""

import pytest

from lidar_vl_core.foundation.errors import BadConfig, BadRequest
from offline_training.cli.main import main
from offline_training.pretraining import pretrain as pretrain_module
from offline_training.pretraining.pretrain import pretrain
from tests.training.pretraining.pretrain_scenes import Rooms, config, of_store, settings, write_superpixels
from tests.training.training_log import lines, losses


def test_superpixel_methods_need_no_weak_classes(tmp_path, rooms):
    store = write_superpixels(tmp_path / "superpixels", rooms)
    pretrain(config(tmp_path / "run", method="slidr", weak_labels=str(store)))
    assert len(losses(tmp_path / "run")) == 3


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


def test_the_command_prints_one_line_for_a_missing_store(tmp_path, rooms, capsys):
    import yaml

    path = tmp_path / "run.yaml"
    train = [{"kind": "pandaset", "folder": str(tmp_path)}]
    path.write_text(yaml.safe_dump(settings(tmp_path / "run", method="st_slidr", train=train)))
    assert main(["pretrain", "--config", str(path), "--method", "slidr"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "method slidr" in told
