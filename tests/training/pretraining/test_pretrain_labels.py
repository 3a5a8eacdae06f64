"""Labels of a pre-training: read from the store, partly or wholly missing, or asked for by the command that makes them."""

from dataclasses import replace

import numpy as np
import pytest

from lidar_vl_core.foundation.errors import BadConfig, BadDataset, BadRequest
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


def test_pictures_without_pairs_and_batches_without_any_train_on(tmp_path, monkeypatch):
    class OneFull(Rooms):
        def __getitem__(self, index):
            self.points = 700 if index == 0 else 0
            return super().__getitem__(index)

    monkeypatch.setattr(pretrain_module, "open_source", lambda *_: OneFull(2, blind=True))
    pretrain(config(tmp_path, max_steps=2, batch_size=1))
    assert [line["bad_steps"] for line in lines(tmp_path)] == [0, 0]
    assert sorted(line["pairs"] > 0 for line in lines(tmp_path)) == [False, True]


@pytest.mark.parametrize("method", ["olivine", "pointcontrast"])
def test_clouds_that_all_lie_outside_the_grid_or_are_empty_are_refused_with_its_range(tmp_path, monkeypatch, method):
    told = r"pandaset unused: expected points within point_cloud_range .*, found none in 4 of 4 scans, room0 first"
    far = {"point_cloud_range": [100.0, 100.0, -8.0, 132.0, 132.0, 8.0]}
    for points, changes in ((700, far), (0, {})):
        monkeypatch.setattr(pretrain_module, "open_source", lambda *_, points=points: Rooms(points=points))
        with pytest.raises(BadDataset, match=told):
            pretrain(config(tmp_path / "run", method=method, **changes))
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_images_that_show_no_point_are_refused_where_a_method_learns_from_them(tmp_path, monkeypatch):
    class Below(Rooms):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return replace(sample, cloud=replace(sample.cloud, xyz_m=sample.cloud.xyz_m * np.float32([0, 0, 1])))

    monkeypatch.setattr(pretrain_module, "open_source", lambda *_: Below())
    with pytest.raises(BadDataset, match=r"pandaset unused: expected points that images show, .* found none in 4 of 4"):
        pretrain(config(tmp_path))


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
