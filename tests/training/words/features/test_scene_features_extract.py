"""The command that makes features: whole data sets, resumed, damage named, one machine or several workers alike."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.foundation.errors import BadConfig, BadDataset, MissingExtra
from offline_training.cli import words
from offline_training.cli.main import main
from offline_training.words.features import extract_features as command
from offline_training.words.features import ray_features as ray
from offline_training.words.features.extract_features import extract_features
from offline_training.words.features.feature_report import FeatureReport, report_lines
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.ray_features import _outcome, _Worker
from offline_training.words.features.run_features import open_features
from offline_training.words.scenes.back_project import back_project
from tests.training.words.features.feature_scenes import Boxes, MeanColors, box_scene
from tests.training.words.features.test_scene_features import config, equal

SCENES = 3


@pytest.fixture
def boxes(tmp_path, monkeypatch):
    """A folder of pictures, opened as the data set of every configuration."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    datasets = [Boxes(folder, SCENES)]
    monkeypatch.setattr(command, "open_sources", lambda config: datasets)
    monkeypatch.setattr(ray, "open_sources", lambda config: datasets)
    return folder


def _config(out, **extract):
    return config(out, extract={"border_px": 2, **extract}, threads=1, progress=False)


def _run(settings, model=None):
    model = model or MeanColors()
    return extract_features(settings, lambda config: model), model


def _files(store):
    return {path.name: path.read_bytes() for path in store.folder.glob("*.npz")}


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_every_scene_has_the_features_that_back_projection_gives(tmp_path, boxes, batch_size):
    settings = _config(tmp_path / "out", batch_size=batch_size)
    report, model = _run(settings)
    for number in range(SCENES):
        sample = box_scene(boxes, number)
        expected = back_project(sample, lambda view: model.image_features([view.load_rgb()])[0], settings.extract)
        assert equal(open_features(settings).read(sample.name), expected)
    assert model.pictures == 2 * SCENES * 3
    numbers = json.loads((report.store.folder / "statistics.json").read_text())
    assert (numbers["scenes"], numbers["made"], numbers["pictures"]) == (SCENES, SCENES, SCENES * 3)
    files = [report.store.path(box_scene(boxes, number).name) for number in range(SCENES)]
    assert numbers["bytes"] == sum(file.stat().st_size for file in files)
    assert numbers["bytes_as_float16_per_visible_point"] == 16 * round(numbers["visible_share"] * SCENES * 600)
    assert numbers["seconds_per_picture"] > 0


def test_a_second_run_looks_at_no_picture_and_a_lost_scene_is_made_anew(tmp_path, boxes):
    settings = _config(tmp_path / "out")
    first, _ = _run(settings)
    whole = _files(first.store)
    second, model = _run(settings)
    assert model.pictures == 0
    assert report_lines(second)[0] == "scenes: 0 extracted, 3 already there"
    path = first.store.path("box/1")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    third, model = _run(settings)
    assert model.pictures == 3
    assert [each.made for each in third.scenes.values()] == [False, True, False]
    assert _files(first.store) == whole


def test_a_run_that_is_stopped_goes_on_where_it_was(tmp_path, boxes):
    class Stopped(MeanColors):
        def image_features(self, images):
            if self.pictures >= 4:
                raise KeyboardInterrupt
            return super().image_features(images)

    settings = _config(tmp_path / "out", batch_size=1)
    with pytest.raises(KeyboardInterrupt):
        _run(settings, Stopped())
    report, model = _run(settings)
    assert model.pictures == 6  # of the two scenes that were not whole
    assert _files(report.store) == _files(_run(_config(tmp_path / "at once"))[0].store)


def test_a_damaged_picture_is_left_out_and_named_until_it_is_repaired(tmp_path, boxes):
    box_scene(boxes, 1)
    broken = boxes / "1_2.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:60])
    settings = _config(tmp_path / "out")
    report, _ = _run(settings)
    (line,) = report.scenes["box/1"].left_out
    assert "box/1, camera frame2" in line
    assert "1_2.png" in line
    assert any("1_2.png" in line for line in report_lines(report))
    features = report.store.read("box/1")
    assert features.left_out == ("frame2",)
    assert not features.seen_by()[:, 2].any()
    again, model = _run(settings)
    assert model.pictures == 0
    assert again.scenes["box/1"].left_out == [line]
    broken.write_bytes(whole)
    repaired, model = _run(settings)
    assert model.pictures == 3
    assert repaired.store.read("box/1").left_out == ()


def test_a_scene_without_readable_pictures_is_named_and_the_others_are_done(tmp_path, boxes):
    box_scene(boxes, 0)
    for k in range(3):
        (boxes / f"0_{k}.png").write_bytes(b"nothing")
    settings = _config(tmp_path / "out")
    with pytest.raises(BadDataset, match=r"1 scenes failed, 2 have features: box/0: none of its 3 images"):
        _run(settings)
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
        _run(_config(tmp_path / "out"))


def test_a_picture_of_another_size_than_its_camera_is_left_out(tmp_path, boxes):
    box_scene(boxes, 0)
    Image.new("RGB", (20, 10)).save(boxes / "0_0.png")
    report, _ = _run(_config(tmp_path / "out"))
    assert "expected 64x48 pixels as in the calibration, found 20x10" in report.scenes["box/0"].left_out[0]


def test_a_moved_scene_of_the_same_name_is_made_anew(tmp_path, boxes, monkeypatch):
    settings = _config(tmp_path / "out")
    before, _ = _run(settings)

    class Moved(Boxes):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            sample.cloud.xyz_m[:, 0] += 0.1
            return sample

    monkeypatch.setattr(command, "open_sources", lambda config: [Moved(boxes, SCENES)])
    report, model = _run(settings)
    assert model.pictures == 9
    assert before.scenes["box/0"].scene_sha256 != report.scenes["box/0"].scene_sha256


def test_two_scenes_of_one_name_are_refused(tmp_path, boxes, monkeypatch):
    class Other(Boxes):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            sample.cloud.xyz_m[0] += 1.0
            return sample

    monkeypatch.setattr(command, "open_sources", lambda config: [Boxes(boxes, 2), Other(boxes, 2)])
    with pytest.raises(BadConfig, match="two called 'box/0'"):
        _run(_config(tmp_path / "out"))


def test_one_scene_in_training_and_validation_is_made_once(tmp_path, boxes, monkeypatch):
    monkeypatch.setattr(command, "open_sources", lambda config: [Boxes(boxes, 2), Boxes(boxes, 2)])
    report, _ = _run(_config(tmp_path / "out", batch_size=1))
    assert len(report.scenes) == 2


def test_components_make_scenes_smaller_and_are_reported(tmp_path, boxes, monkeypatch):
    monkeypatch.setattr(command, "BASIS_SCENES", 2)
    whole, _ = _run(_config(tmp_path / "out"))
    fewer, _ = _run(_config(tmp_path / "out", components=3))
    numbers = fewer.statistics()
    assert numbers["components"] == 3
    assert numbers["variance_explained"] > 0.99  # the features are a linear map of three colours
    assert numbers["bytes"] < whole.statistics()["bytes"]
    assert any("3 keep" in line for line in report_lines(fewer))
    for number in range(SCENES):
        name = f"box/{number}"
        np.testing.assert_allclose(fewer.store.read(name).feature, whole.store.read(name).feature, atol=0.02)
    again, model = _run(_config(tmp_path / "out", components=3))
    assert model.pictures == 0
    assert _files(again.store) == _files(fewer.store)


def test_a_picture_from_above_shows_scenes(tmp_path, boxes):
    report, _ = _run(_config(tmp_path / "out"))
    with Image.open(report.store.folder / "preview.png") as picture:
        colors = np.asarray(picture)
    assert colors.shape == (480, SCENES * 480, 3)
    assert len(np.unique(colors.reshape(-1, 3), axis=0)) > 50


def test_strays_of_killed_writers_are_removed(tmp_path, boxes):
    report, _ = _run(_config(tmp_path / "out"))
    stray = report.store.folder / ".scene.npz.abc.tmp"
    stray.write_bytes(b"half")
    _run(_config(tmp_path / "out"))
    assert not stray.exists()


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


def _in_worker():
    """What ray_rows() gives, without Ray: workers called one batch after another, the last scenes first."""

    def rows(worker, arguments, samples, workers, cpus, gpus):
        places = [(source, sample) for source, count in enumerate(samples) for sample in range(count)][::-1]
        called = worker(*arguments)
        for place in places:
            columns = called({"source": np.array([place[0]]), "sample": np.array([place[1]])})
            yield {name: column[0] for name, column in columns.items()}

    return rows


@pytest.mark.parametrize("components", [None, 3])
def test_workers_leave_the_bytes_that_one_machine_leaves(tmp_path, boxes, monkeypatch, components):
    monkeypatch.setattr(ray, "ray_rows", _in_worker())
    here, _ = _run(_config(tmp_path / "here", components=components))
    there, _ = _run(_config(tmp_path / "there", components=components, engine="ray"))
    assert _files(there.store) == _files(here.store)
    assert list(there.scenes) == list(here.scenes)
    first, second = there.statistics(), here.statistics()
    for numbers in (first, second):
        numbers.pop("seconds_per_picture")
    assert first == second


def test_an_error_of_a_worker_is_the_error_of_a_local_run(tmp_path, boxes):
    def fails(config):
        raise BadConfig("no such model")

    columns = _Worker(_config(tmp_path / "out"), fails)({"source": np.array([0, 0]), "sample": np.array([1, 2])})
    with pytest.raises(BadConfig, match="no such model"):
        _outcome({name: column[0] for name, column in columns.items()})


def test_without_ray_there_is_one_clear_line(monkeypatch, tmp_path, boxes):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match="engine: ray: needs the extra `ray`"):
        _run(_config(tmp_path / "out", engine="ray"))


_KILLED = """
import os, signal, sys
from pathlib import Path
from offline_training.words.features import extract_features as command
from tests.training.words.features.feature_scenes import Boxes, MeanColors
from tests.training.words.features.test_scene_features_extract import _config

class Killed(MeanColors):
    def image_features(self, images):
        if self.pictures == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().image_features(images)

command.open_sources = lambda config: [Boxes(Path(sys.argv[1]), 3)]
command.extract_features(_config(sys.argv[2], batch_size=1), lambda config: Killed())
"""


@pytest.mark.slow
def test_a_process_killed_in_the_middle_leaves_no_half_scene(tmp_path, boxes):
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(boxes), str(tmp_path / "out")],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    settings = _config(tmp_path / "out", batch_size=1)
    assert open_features(settings).about("box/0") is not None
    assert not open_features(settings).has("box/1")
    _, model = _run(settings)
    assert model.pictures == 6


def test_a_report_of_nothing_divides_by_nothing(tmp_path):
    store = FeatureStore(Path(tmp_path), {"model": "none"})
    assert FeatureReport(store, 8).statistics()["share_of_float16"] == 0
