"""A model package measured on labelled scans."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter
from offline_training.cli.main import main
from offline_training.datasets.lidar.semantic_kitti import SemanticKitti, SemanticKittiSource
from offline_training.evaluation.package_quality import evaluate_package, is_package


@pytest.fixture
def scans(tmp_path) -> Path:
    """Two scans of a road with a wall beside it, in SemanticKITTI's layout."""
    rng = np.random.default_rng(0)
    for name in ("velodyne", "labels"):
        (tmp_path / "sequences" / "05" / name).mkdir(parents=True)
    for number in range(2):
        road = np.column_stack([rng.uniform(-20, 20, (3000, 2)), np.full(3000, -1.7), np.full(3000, 0.2)])
        wall = np.column_stack(
            [rng.uniform(-20, 20, 2000), np.full(2000, 9.0), rng.uniform(-1.7, 3, 2000), np.ones(2000)]
        )
        stem = f"{number:06}"
        np.concatenate([road, wall]).astype(np.float32).tofile(tmp_path / f"sequences/05/velodyne/{stem}.bin")
        np.repeat([40, 50], [3000, 2000]).astype(np.uint32).tofile(tmp_path / f"sequences/05/labels/{stem}.label")
    return tmp_path


def test_a_package_is_measured_as_the_robot_runs_it(scans, tmp_path):
    source = SemanticKittiSource(folder=str(scans))
    metrics = evaluate_package(Path("demo"), [source], tmp_path / "metrics.json")
    classes, segmenter = class_table("nuscenes16"), Segmenter(load_model_package("demo"))
    expected = ConfusionMatrix(len(classes))
    data = SemanticKitti(scans, classes=classes)
    for sample in (data[0], data[1]):
        expected.add(sample.class_id, segmenter.segment(sample.cloud).class_id)
    assert metrics["pooled"]["mean_iou"] == pytest.approx(expected.mean_iou())
    assert metrics["pooled"]["accuracy"] == pytest.approx(expected.accuracy())
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert_allclose(written["sources"][0]["mean_iou"], expected.mean_iou())


def test_packages_and_checkpoints_are_told_apart(tmp_path):
    assert is_package(Path("demo"))
    assert is_package(load_model_package("demo").path)
    assert not is_package(tmp_path)


def test_a_package_has_no_data_sets_of_its_own():
    with pytest.raises(BadConfig, match="--config"):
        evaluate_package(Path("demo"), None, None)


def test_the_command_takes_a_package_by_its_name(scans, tmp_path, capsys):
    config = tmp_path / "data.yaml"
    config.write_text(
        f"out: {tmp_path}/run\ntrain: []\nvalidation: [{{kind: semantic_kitti, folder: {scans}, frames: ['000000']}}]\n"
    )
    assert main(["evaluate", "demo", "--config", str(config)]) == 0
    assert "mean IoU" in capsys.readouterr().out
    assert main(["evaluate", "demo", "--config", str(config), "--pictures", str(tmp_path / "p")]) == 2
    assert "model package" in capsys.readouterr().err
