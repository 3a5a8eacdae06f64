"""The command that makes features: whole data sets, each scene once, and what it reports."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.cli import words
from offline_training.cli.main import main
from offline_training.words.features import extract_features as command
from offline_training.words.features.feature_report import FeatureReport, report_lines
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import open_features
from offline_training.words.scenes.back_project import back_project
from tests.training.words.features.extraction import SCENES, extract_config, extracted, feature_files
from tests.training.words.features.feature_scenes import Boxes, MeanColors, box_scene
from tests.training.words.features.made_features import equal_features


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_every_scene_has_the_features_that_back_projection_gives(tmp_path, boxes, batch_size):
    settings = extract_config(tmp_path / "out", batch_size=batch_size)
    report, model = extracted(settings)
    for number in range(SCENES):
        sample = box_scene(boxes, number)
        expected = back_project(sample, lambda view: model.image_features([view.load_rgb()])[0], settings.extract)
        assert equal_features(open_features(settings).read(sample.name), expected)
    assert model.pictures == 2 * SCENES * 3
    numbers = json.loads((report.store.folder / "statistics.json").read_text())
    assert (numbers["scenes"], numbers["made"], numbers["pictures"]) == (SCENES, SCENES, SCENES * 3)
    files = [report.store.path(box_scene(boxes, number).name) for number in range(SCENES)]
    assert numbers["bytes"] == sum(file.stat().st_size for file in files)
    assert numbers["bytes_as_float16_per_visible_point"] == 16 * round(numbers["visible_share"] * SCENES * 600)
    assert numbers["seconds_per_picture"] > 0


def test_two_scenes_of_one_name_are_refused(tmp_path, boxes, monkeypatch):
    class Other(Boxes):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            sample.cloud.xyz_m[0] += 1.0
            return sample

    monkeypatch.setattr(command, "open_sources", lambda config: [Boxes(boxes, 2), Other(boxes, 2)])
    with pytest.raises(BadConfig, match="two called 'box/0'"):
        extracted(extract_config(tmp_path / "out"))


def test_one_scene_in_training_and_validation_is_made_once(tmp_path, boxes, monkeypatch):
    monkeypatch.setattr(command, "open_sources", lambda config: [Boxes(boxes, 2), Boxes(boxes, 2)])
    report, _ = extracted(extract_config(tmp_path / "out", batch_size=1))
    assert len(report.scenes) == 2


def test_components_make_scenes_smaller_and_are_reported(tmp_path, boxes, monkeypatch):
    monkeypatch.setattr(command, "BASIS_SCENES", 2)
    whole, _ = extracted(extract_config(tmp_path / "out"))
    fewer, _ = extracted(extract_config(tmp_path / "out", components=3))
    numbers = fewer.statistics()
    assert numbers["components"] == 3
    assert numbers["variance_explained"] > 0.99  # the features are a linear map of three colours
    assert numbers["bytes"] < whole.statistics()["bytes"]
    assert any("3 keep" in line for line in report_lines(fewer))
    for number in range(SCENES):
        name = f"box/{number}"
        np.testing.assert_allclose(fewer.store.read(name).feature, whole.store.read(name).feature, atol=0.02)
    again, model = extracted(extract_config(tmp_path / "out", components=3))
    assert model.pictures == 0
    assert feature_files(again.store) == feature_files(fewer.store)


def test_a_picture_from_above_shows_scenes(tmp_path, boxes):
    report, _ = extracted(extract_config(tmp_path / "out"))
    with Image.open(report.store.folder / "preview.png") as picture:
        colors = np.asarray(picture)
    assert colors.shape == (480, SCENES * 480, 3)
    assert len(np.unique(colors.reshape(-1, 3), axis=0)) > 50


def test_the_command_reports_and_refuses_like_the_others(tmp_path, boxes, monkeypatch, capsys):
    file = tmp_path / "vlg.yaml"
    file.write_text(
        f"out: {tmp_path / 'out'}\nmodel: {{kind: toy, folder: absent}}\ntrain: [{{kind: pandaset, folder: x}}]\n"
        "extract: {border_px: 2}\nprogress: false\n"
    )
    real = command.extract_features
    monkeypatch.setattr(words, "require_for_language", lambda *_, **__: None)
    monkeypatch.setattr(command, "extract_features", lambda config: real(config, lambda config: MeanColors()))
    assert main(["extract-features", "--config", str(file), "extract.batch_size=2"]) == 0
    out = capsys.readouterr().out
    assert "scenes: 3 extracted, 0 already there" in out
    assert "MB per scene" in out
    assert "preview.png" in out
    assert main(["extract-features", "--config", str(file), "extract.border_px=-1"]) == 2
    assert "border_px" in capsys.readouterr().err


def test_a_report_of_nothing_divides_by_nothing(tmp_path):
    store = FeatureStore(Path(tmp_path), {"model": "none"})
    assert FeatureReport(store, 8).statistics()["share_of_float16"] == 0
