"""Corruption errors and resilience rates, and the command that measures them."""

import json

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadConfig, BadRequest
from offline_training.cli.main import main
from offline_training.datasets.augment.corruptions import CORRUPTIONS
from offline_training.datasets.augment.corruptions_weather import SEVERITIES
from offline_training.datasets.base.sample import Sample
from offline_training.evaluation import robustness as module
from offline_training.evaluation.robustness import RobustnessConfig, corruption_errors, resilience_rates, robustness
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.evaluate import build_network
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint

percentages = st.floats(0.0, 99.0)
measurements = st.fixed_dictionaries({name: st.tuples(percentages, percentages, percentages) for name in CORRUPTIONS})


@given(measurements)
def test_the_baseline_measured_against_itself_has_an_error_of_100(mean_iou):
    assert list(corruption_errors(mean_iou, mean_iou).values()) == pytest.approx([100.0] * 8)


@given(measurements, measurements)
def test_averages_of_the_baseline_say_as_much_as_its_three_severities(mean_iou, baseline):
    averages = {name: sum(values) / 3 for name, values in baseline.items()}
    found, expected = corruption_errors(mean_iou, averages), corruption_errors(mean_iou, baseline)
    assert list(found.values()) == pytest.approx(list(expected.values()))


def test_a_network_that_loses_nothing_is_wholly_resilient():
    rates = resilience_rates({name: (60.0, 60.0, 60.0) for name in CORRUPTIONS}, 60.0)
    assert set(rates.values()) == {100.0}


def test_the_figures_are_those_of_the_definitions():
    mean_iou = {name: (50.0, 40.0, 30.0) for name in CORRUPTIONS}
    baseline = dict.fromkeys(CORRUPTIONS, 50.0)
    assert corruption_errors(mean_iou, baseline)["snow"] == pytest.approx(100.0 * (0.5 + 0.6 + 0.7) / (3 * 0.5))
    assert resilience_rates(mean_iou, 80.0)["snow"] == pytest.approx(100.0 * (0.5 + 0.4 + 0.3) / (3 * 0.8))


BAD_BASELINES = {
    "empty": {},
    "one is missing": dict.fromkeys(CORRUPTIONS[1:], 50.0),
    "one too many": dict.fromkeys((*CORRUPTIONS, "rain"), 50.0),
    "a perfect one": dict.fromkeys(CORRUPTIONS, 100.0),
    "not a number": dict.fromkeys(CORRUPTIONS, float("nan")),
}


@pytest.mark.parametrize("case", BAD_BASELINES)
def test_without_a_whole_baseline_there_is_no_error(case):
    with pytest.raises(BadRequest, match="baseline: expected a mean IoU"):
        corruption_errors({name: (50.0, 40.0, 30.0) for name in CORRUPTIONS}, BAD_BASELINES[case])


def test_a_network_that_knows_nothing_has_no_resilience():
    with pytest.raises(BadRequest, match="above 0"):
        resilience_rates({"fog": (0.0, 0.0, 0.0)}, 0.0)


# --- the measurement ----------------------------------------------------------------------------------------------


class Street:
    """Two scans of road below walls."""

    classes = class_table("nuscenes16")

    def __len__(self):
        return 2

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        xyz_m = np.concatenate([
            np.column_stack([rng.uniform(-20, 20, (600, 2)), rng.normal(-1.8, 0.02, 600)]),
            np.column_stack([rng.uniform(-20, 20, 300), rng.choice([-8.0, 9.0], 300), rng.uniform(-1.5, 3, 300)]),
        ]).astype(np.float32)  # fmt: skip
        class_id = np.repeat([10, 14], [600, 300]).astype(np.uint8)
        return Sample(f"{index}", PointCloud(xyz_m, rng.random(900, np.float32), 0, "lidar"), class_id, self.classes)


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A network with random weights that answers road for all: its last layer favours it."""
    monkeypatch.setattr(module, "open_source", lambda source, classes: Street())
    config = FinetuneConfig(
        out=str(tmp_path),
        train=(),
        stem=8,
        planes=(8,) * 8,
        blocks=(1,) * 8,
        voxel_size=(0.5, 0.5, 0.5),
        point_cloud_range=(-32.0, -32.0, -8.0, 32.0, 32.0, 8.0),
        device="cpu",
    )
    torch.manual_seed(0)
    network = build_network(config)
    with torch.no_grad():
        network.head.bias.zero_()
        network.head.bias[10] = 100.0
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    return save_checkpoint(tmp_path / "checkpoints", Checkpoint(1, tensors, config.model_dump(mode="json"), {}))


SOURCE = {"kind": "pandaset", "folder": "unused"}


def _config(**changes):
    return RobustnessConfig.model_validate({"sources": (SOURCE,), **changes})


def test_a_checkpoint_is_measured_clean_and_under_every_corruption(checkpoint, tmp_path):
    baseline = dict.fromkeys(CORRUPTIONS, 50.0)
    found = robustness(checkpoint, _config(baseline=baseline), tmp_path / "robustness.json")
    assert found == json.loads((tmp_path / "robustness.json").read_text())
    assert found["clean_mean_iou"] == pytest.approx(
        100 * (600 / 900) / 2
    )  # all is road: two thirds are right, walls never
    assert {name: tuple(values) for name, values in found["mean_iou"].items()} == dict.fromkeys(CORRUPTIONS, SEVERITIES)
    assert found["mrr"] == pytest.approx(np.mean(list(found["resilience_rate"].values())))
    assert found["mce"] == pytest.approx(np.mean(list(found["corruption_error"].values())))
    assert found["mean_iou"]["crosstalk"] == pytest.approx(dict.fromkeys(SEVERITIES, found["clean_mean_iou"]), abs=1.0)
    again = robustness(checkpoint, _config(baseline=baseline))
    assert again == found


def test_without_a_baseline_the_resilience_is_told_and_no_error(checkpoint):
    found = robustness(checkpoint, _config())
    assert (found["mce"], found["corruption_error"]) == (None, None)
    assert found["mrr"] > 0


def test_a_wrong_baseline_is_refused_before_any_work(tmp_path):
    with pytest.raises(BadRequest, match="baseline"):
        robustness(tmp_path / "no such checkpoint", _config(baseline={"fog": 50.0}))


@pytest.mark.parametrize("changes", [{"sources": ()}, {"nuscenes_c": "folder"}])
def test_published_corruptions_need_nuscenes_and_all_need_a_source(checkpoint, changes):
    with pytest.raises(BadConfig, match="sources: expected"):
        robustness(checkpoint, _config(**changes))


def test_the_command_prints_a_row_per_corruption(checkpoint, tmp_path, capsys):
    config = tmp_path / "robustness.yaml"
    config.write_text(yaml.safe_dump({"sources": [{**SOURCE, "folder": str(tmp_path)}]}))
    assert main(["robustness", str(checkpoint), "--config", str(config), "--out", str(tmp_path / "out.json")]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()] == ["corruption", *CORRUPTIONS, "clean"]
    assert "mCE none: give a baseline" in printed
    assert (tmp_path / "out.json").exists()
