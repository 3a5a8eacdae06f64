"""Features are made once: a stopped or killed run resumes, and what was moved or lost is made anew."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from offline_training.words.features import extract_features as command
from offline_training.words.features.feature_report import report_lines
from offline_training.words.features.run_features import open_features
from tests.training.words.features.extraction import SCENES, extract_config, extracted, feature_files
from tests.training.words.features.feature_scenes import Boxes, MeanColors


def test_a_second_run_looks_at_no_picture_and_a_lost_scene_is_made_anew(tmp_path, boxes):
    settings = extract_config(tmp_path / "out")
    first, _ = extracted(settings)
    whole = feature_files(first.store)
    second, model = extracted(settings)
    assert model.pictures == 0
    assert report_lines(second)[0] == "scenes: 0 extracted, 3 already there"
    path = first.store.path("box/1")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    third, model = extracted(settings)
    assert model.pictures == 3
    assert [each.made for each in third.scenes.values()] == [False, True, False]
    assert feature_files(first.store) == whole


def test_a_run_that_is_stopped_goes_on_where_it_was(tmp_path, boxes):
    class Stopped(MeanColors):
        def image_features(self, images):
            if self.pictures >= 4:
                raise KeyboardInterrupt
            return super().image_features(images)

    settings = extract_config(tmp_path / "out", batch_size=1)
    with pytest.raises(KeyboardInterrupt):
        extracted(settings, Stopped())
    report, model = extracted(settings)
    assert model.pictures == 6  # of the two scenes that were not whole
    assert feature_files(report.store) == feature_files(extracted(extract_config(tmp_path / "at once"))[0].store)


def test_a_moved_scene_of_the_same_name_is_made_anew(tmp_path, boxes, monkeypatch):
    settings = extract_config(tmp_path / "out")
    before, _ = extracted(settings)

    class Moved(Boxes):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            sample.cloud.xyz_m[:, 0] += 0.1
            return sample

    monkeypatch.setattr(command, "open_sources", lambda config: [Moved(boxes, SCENES)])
    report, model = extracted(settings)
    assert model.pictures == 9
    assert before.scenes["box/0"].scene_sha256 != report.scenes["box/0"].scene_sha256


def test_strays_of_killed_writers_are_removed(tmp_path, boxes):
    report, _ = extracted(extract_config(tmp_path / "out"))
    stray = report.store.folder / ".scene.npz.abc.tmp"
    stray.write_bytes(b"half")
    extracted(extract_config(tmp_path / "out"))
    assert not stray.exists()


_KILLED = """
import os, signal, sys
from pathlib import Path
from offline_training.words.features import extract_features as command
from tests.training.words.features.feature_scenes import Boxes, MeanColors
from tests.training.words.features.extraction import extract_config

class Killed(MeanColors):
    def image_features(self, images):
        if self.pictures == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().image_features(images)

command.open_sources = lambda config: [Boxes(Path(sys.argv[1]), 3)]
command.extract_features(extract_config(sys.argv[2], batch_size=1), lambda config: Killed())
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
    settings = extract_config(tmp_path / "out", batch_size=1)
    assert open_features(settings).about("box/0") is not None
    assert not open_features(settings).has("box/1")
    _, model = extracted(settings)
    assert model.pictures == 6
