"""The Ray engine beside the local one: the same bytes, also when a worker is killed in the middle."""

import json
import os
import secrets
import signal
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, EngineUnavailable, MissingExtra
from offline_training.weak_labels.job_parts import all_views, open_labeler, open_sources, open_store, open_superpixels
from offline_training.weak_labels.label_views import LabelledPicture, LabelReport, label_views
from offline_training.weak_labels.ray_engine import _count, _picture, _Worker, ray_engine
from offline_training.weak_labels.ray_job import attempts_folder, count_attempt
from offline_training.weak_labels.weak_label import weak_label
from tests.training.weak_labels.recorded_fleet import PICTURES, SCANS, fleet_config, write_sequence


@pytest.fixture(scope="module")
def ray_cluster():
    """Two cores of this machine; nothing of Ray's is sent away or left running."""
    pytest.importorskip("ray", reason="ray is not installed (extra [ray])")
    set_for_ray = {
        "RAY_DISABLE_MEMORY_MONITOR": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # 15 by default: beside other work they would hardly ever start
        "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else Ray keeps one in the home folder
    }
    before = {name: os.environ.get(name) for name in set_for_ray}
    os.environ.update(set_for_ray)
    import ray

    for attempts_left in (2, 1, 0):
        try:
            ray.init(num_cpus=2, object_store_memory=80 * 2**20, include_dashboard=False, log_to_driver=False)
            break
        except Exception as error:  # Ray gives its processes 30 s to start, which is short beside other work
            ray.shutdown()
            if not attempts_left or "timed out" not in str(error):
                raise
    yield
    ray.shutdown()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    return write_sequence(tmp_path_factory.mktemp("fleet"))


def _local(config):
    labeler, superpixels = open_labeler(config), open_superpixels(config)
    store = open_store(config, labeler, superpixels)
    return label_views(all_views(open_sources(config)), labeler, store, superpixels, config.batch_size)


def _files(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in Path(out).rglob("*") if path.is_file()}


def _killed_once(marker):
    """A labeler whose process is killed at its third batch, the first time: a nested class travels to workers whole."""
    from offline_training.weak_labels.job_parts import open_labeler

    class Killed:
        def __init__(self, labeler):
            self.labeler, self.ontology, self.identity, self.batches = labeler, labeler.ontology, labeler.identity, 0

        def label(self, images):
            self.batches += 1
            if self.batches == 3 and not os.path.exists(marker):
                with open(marker, "w"):
                    pass
                os.kill(os.getpid(), signal.SIGKILL)
            return self.labeler.label(images)

    return lambda config: Killed(open_labeler(config))


@pytest.mark.slow
def test_the_store_has_the_same_bytes_as_after_a_local_run(ray_cluster, sequence, tmp_path):
    told = []
    local = _local(fleet_config(sequence, tmp_path / "local"))
    config = fleet_config(sequence, tmp_path / "ray", engine="ray", ray_workers=2)
    report = ray_engine(config, [SCANS], lambda: told.append(1))
    files = _files(tmp_path / "ray")
    assert files == _files(tmp_path / "local")
    assert sum(name.endswith(".png") for name in files) == 3 * (PICTURES - 1)
    assert (report.made, report.present, report.repeated, report.failed) == (PICTURES - 1, 0, 1, [])
    assert (local.made, local.present, local.repeated) == (PICTURES - 1, 0, 1)
    assert (report.class_pixels == local.class_pixels).all()
    assert len(told) == PICTURES


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_loses_nothing(ray_cluster, sequence, tmp_path):
    _local(fleet_config(sequence, tmp_path / "local"))
    config = fleet_config(sequence, tmp_path / "ray", engine="ray", batch_size=1)
    report = ray_engine(config, [SCANS], open_labeler=_killed_once(str(tmp_path / "killed")))
    assert (tmp_path / "killed").exists()
    assert _files(tmp_path / "ray") == _files(tmp_path / "local")
    assert report.made + report.present == PICTURES - 1
    assert report.failed == []


def test_a_task_that_workers_keep_dying_of_ends_the_run_and_is_named(tmp_path):
    with attempts_folder(tmp_path):
        for _ in range(5):
            count_attempt(tmp_path, [(0, 4), (0, 5)])
        count_attempt(tmp_path, [(1, 4)]).unlink()  # others are not concerned
        with pytest.raises(EngineUnavailable, match="died of samples 4 to 5 of source 0"):
            count_attempt(tmp_path, [(0, 4), (0, 5)])
    assert not list(tmp_path.iterdir())
    with attempts_folder(tmp_path):  # the next run counts anew
        count_attempt(tmp_path, [(0, 4), (0, 5)])


@pytest.mark.slow
def test_a_second_run_makes_nothing_and_a_damaged_picture_is_told(ray_cluster, sequence, tmp_path):
    config = fleet_config(sequence, tmp_path / "out", engine="ray")
    _local(config)
    broken = sequence / "data/sequences/00/image_2/000004.png"
    whole = broken.read_bytes()
    try:
        broken.write_bytes(whole[:-30])
        with pytest.raises(BadDataset, match="1 images failed, 10 have labels"):
            weak_label(config)
    finally:
        broken.write_bytes(whole)
    statistics = json.loads((tmp_path / "out" / "statistics.json").read_text())
    assert (statistics["made"], statistics["present"], statistics["repeated"]) == (0, 10, 1)
    assert "000004.png" in statistics["failed"][0]


def test_what_a_worker_cannot_open_is_the_error_of_a_local_run(sequence, tmp_path):
    labeler = {"kind": "closed_set", "model": str(sequence / "absent.yaml")}
    config = fleet_config(sequence, tmp_path / "out", engine="ray", labeler=labeler)
    with pytest.raises(BadConfig) as local:
        _local(config)
    columns = _Worker(config, open_labeler)({"source": np.array([0]), "sample": np.array([3])})
    (row,) = ({name: column[k] for name, column in columns.items()} for k in range(len(columns["error"])))
    with pytest.raises(BadConfig) as told:
        _picture(row)
    assert str(told.value) == str(local.value)


def test_without_ray_there_is_one_clear_line(monkeypatch, sequence, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match="engine: ray: needs the extra `ray`"):
        ray_engine(fleet_config(sequence, tmp_path / "out", engine="ray"), [SCANS])


def test_a_picture_is_counted_once_whichever_worker_met_it_first():
    report, met = LabelReport(), set()
    pixels = np.ones(256, np.int64)
    for made, repeated, failure in ((False, True, ""), (True, False, ""), (False, False, ""), (False, False, "broken")):
        _count(LabelledPicture("a", made, repeated, failure, pixels), report, met)
    assert (report.made, report.present, report.repeated, report.failed) == (1, 0, 2, ["broken"])
    assert (report.class_pixels == 1).all()


def _mean_color_model(config):
    """A model of pictures whose features are their mean colours: a nested class travels to workers whole."""
    import torch

    from offline_training.words.image_models.base.dense_model import DenseImageModel

    class MeanColor(DenseImageModel):
        channels, logit_scale = 3, 1.0

        def identity(self):
            return {"model": "mean colour"}

        def image_features(self, images):
            return [torch.tensor(each).float().mean(dim=(0, 1)).view(3, 1, 1) for each in images]

        def text_features(self, prompts):
            return torch.ones(len(prompts), 3)

    return MeanColor()


@pytest.mark.slow
def test_image_features_made_by_workers_are_those_of_one_machine(ray_cluster, sequence, tmp_path):
    from offline_training.words.features.extract_features import extract_features
    from offline_training.words.settings.vlg_config import VlgConfig

    def files(engine):
        frames = [f"{number:06}" for number in range(PICTURES)]
        values = {
            "out": str(tmp_path / engine),
            "train": [{"kind": "semantic_kitti", "folder": str(sequence / "data"), "frames": frames}],
            "model": {"kind": "toy", "folder": "unused"},
            "extract": {"engine": engine, "ray_workers": 2, "occlusion": "none", "border_px": 0},
        }
        report = extract_features(validated(VlgConfig, values, "test"), _mean_color_model)
        assert len(report.scenes) == PICTURES
        return {path.name: path.read_bytes() for path in report.store.folder.glob("*.npz")}

    local = files("local")
    assert files("ray") == local
    assert len(local) == PICTURES
