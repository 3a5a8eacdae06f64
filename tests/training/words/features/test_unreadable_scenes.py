"""Pictures and clouds that cannot be read are named, and the other scenes get their features."""

import json

import pytest
from PIL import Image

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.words.features import extract_features as command
from offline_training.words.features.feature_report import report_lines
from offline_training.words.features.run_features import open_features
from tests.training.words.features.extraction import SCENES, extract_config, extracted
from tests.training.words.features.feature_scenes import Boxes, box_scene


def test_a_damaged_picture_is_left_out_and_named_until_it_is_repaired(tmp_path, boxes):
    box_scene(boxes, 1)
    broken = boxes / "1_2.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:60])
    settings = extract_config(tmp_path / "out")
    report, _ = extracted(settings)
    (line,) = report.scenes["box/1"].left_out
    assert "box/1, camera frame2" in line
    assert "1_2.png" in line
    assert any("1_2.png" in line for line in report_lines(report))
    features = report.store.read("box/1")
    assert features.left_out == ("frame2",)
    assert not features.seen_by()[:, 2].any()
    again, model = extracted(settings)
    assert model.pictures == 0
    assert again.scenes["box/1"].left_out == [line]
    broken.write_bytes(whole)
    repaired, model = extracted(settings)
    assert model.pictures == 3
    assert repaired.store.read("box/1").left_out == ()


def test_a_scene_without_readable_pictures_is_named_and_the_others_are_done(tmp_path, boxes):
    box_scene(boxes, 0)
    for k in range(3):
        (boxes / f"0_{k}.png").write_bytes(b"nothing")
    settings = extract_config(tmp_path / "out")
    with pytest.raises(BadDataset, match=r"1 scenes failed, 2 have features: box/0: none of its 3 images"):
        extracted(settings)
    assert open_features(settings).has("box/2")
    statistics = json.loads((open_features(settings).folder / "statistics.json").read_text())
    assert len(statistics["failed"]) == 1


def test_a_cloud_that_cannot_be_read_does_not_stop_the_others(tmp_path, boxes, monkeypatch):
    class Broken(Boxes):
        def __getitem__(self, index):
            if index == 1:
                raise BadDataset("cloud 1 is cut")
            return super().__getitem__(index)

    monkeypatch.setattr(command, "open_sources", lambda config: [Broken(boxes, SCENES)])
    with pytest.raises(BadDataset, match="scene 1 of data set 1: cloud 1 is cut"):
        extracted(extract_config(tmp_path / "out"))


def test_a_picture_of_another_size_than_its_camera_is_left_out(tmp_path, boxes):
    box_scene(boxes, 0)
    Image.new("RGB", (20, 10)).save(boxes / "0_0.png")
    report, _ = extracted(extract_config(tmp_path / "out"))
    assert "expected 64x48 pixels as in the calibration, found 20x10" in report.scenes["box/0"].left_out[0]
