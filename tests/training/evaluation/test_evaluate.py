"""A model package measured on data sets: labels of points, and boxes."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadConfig, BadPointCloud, BadRequest, EngineUnavailable
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.detector import Detector
from lidar_vl_core.tasks.segmenter import Segmenter
from offline_training.cli.main import main
from offline_training.datasets.data_sources import data_source
from offline_training.datasets.lidar.semantic_kitti import SemanticKitti, SemanticKittiSource
from offline_training.evaluation import box_pictures as box_pictures_module
from offline_training.evaluation.evaluate import evaluate
from offline_training.evaluation.judged import told_engine
from offline_training.finetuning.detection import judging as judging_module
from offline_training.finetuning.detection.judges import judge_of
from tests.training.finetuning.detection.parking import Parking
from tests.written.tiny_detectors import CENTERS, write_tiny_detector


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
    metrics = evaluate(Path("demo"), [source], tmp_path / "metrics.json").metrics
    classes, segmenter = class_table("nuscenes16"), Segmenter(load_model_package("demo"))
    expected = ConfusionMatrix(len(classes))
    data = SemanticKitti(scans, classes=classes)
    for sample in (data[0], data[1]):
        expected.add(sample.class_id, segmenter.segment(sample.cloud).class_id)
    assert metrics["pooled"]["mean_iou"] == pytest.approx(expected.mean_iou())
    assert metrics["pooled"]["accuracy"] == pytest.approx(expected.accuracy())
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert_allclose(written["sources"][0]["mean_iou"], expected.mean_iou())


def test_the_asked_engine_computes_and_is_told(scans, tmp_path):
    source = SemanticKittiSource(folder=str(scans), frames=("000000",))
    fused = evaluate(Path("demo"), [source], engine="fused")
    portable = evaluate(Path("demo"), [source], tmp_path / "metrics.json", engine="onnxruntime")
    assert (fused.metrics["engine"], portable.metrics["engine"]) == ("fused", "onnxruntime")
    assert portable.metrics["pooled"]["mean_iou"] == pytest.approx(fused.metrics["pooled"]["mean_iou"], abs=1e-3)
    assert json.loads((tmp_path / "metrics.json").read_text())["engine"] == "onnxruntime"
    assert portable.table.endswith("\nengine: onnxruntime")


@pytest.mark.parametrize("name", ["demo", "demo_detector"])
def test_an_engine_that_cannot_run_here_is_refused(name, monkeypatch):
    monkeypatch.setattr("lidar_vl_core.engines.gpu_engines.may_have_gpu", lambda: False)
    with pytest.raises(EngineUnavailable, match="GPU"):
        evaluate(Path(name), [PANDASET], engine="onnxruntime_gpu")
    with pytest.raises(BadRequest, match="engine: expected one of auto, fused"):
        evaluate(Path(name), [PANDASET], engine="onnx")


def test_a_fallen_back_engine_is_told_with_its_reason():
    robot = SimpleNamespace(engine_name="fused", engine_problem="tensorrt: out of memory")
    assert told_engine(robot) == "fused: tensorrt: out of memory"


def test_a_checkpoint_is_asked_of_pytorch_alone(tmp_path):
    with pytest.raises(BadRequest, match="with --engine fused, found a checkpoint, which PyTorch runs"):
        evaluate(tmp_path, None, engine="fused")


@pytest.mark.parametrize("name", ["demo", "demo_detector"])
def test_a_package_has_no_data_sets_of_its_own(name):
    with pytest.raises(BadConfig, match=r"a package has none of its own\. Give --config"):
        evaluate(Path(name), None)


def test_the_command_takes_a_package_by_its_name_and_draws_its_errors(scans, tmp_path, capsys):
    config = tmp_path / "data.yaml"
    config.write_text(f"validation: [{{kind: semantic_kitti, folder: {scans}, frames: ['000000']}}]\n")
    assert main(["evaluate", "demo", "--config", str(config), "--images", str(tmp_path / "p")]) == 0
    assert "mean IoU" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["semantic_kitti_05_000000.png"]


@pytest.fixture
def parking(monkeypatch) -> list[int]:
    """Every data set with boxes is a car park of four scans; holds how many sweeps each was opened with."""
    asked: list[int] = []

    def opened(source: object, classes: ClassTable, sweeps: int = 1) -> Parking:
        asked.append(sweeps)
        return Parking("nuscenes10")

    for module in (judging_module, box_pictures_module):
        monkeypatch.setattr(module, "open_boxes", opened)
    return asked


PANDASET = data_source({"kind": "pandaset", "folder": "unused"}, "test")


def test_a_detection_package_is_judged_on_what_the_robot_would_find(parking, tmp_path):
    metrics = evaluate(Path("demo_detector"), [PANDASET], tmp_path / "metrics.json").metrics
    detector, data = Detector(load_model_package("demo_detector")), Parking("nuscenes10")
    judge = judge_of(PANDASET, data, detector.package.manifest.grid.point_cloud_range)
    for index in range(len(data)):
        judge.add(index, data[index], detector.detect(data[index].cloud))
    assert metrics["sources"] == [judge.quality().to_dict()]
    assert metrics["sources"][0]["classes"]["car"]["truth"] == 8
    assert json.loads((tmp_path / "metrics.json").read_text()) == {**metrics, "package": "demo_detector"}


def test_the_command_takes_a_detection_package_and_draws_its_boxes(parking, tmp_path, capsys):
    config = tmp_path / "data.yaml"
    config.write_text(f"validation: [{{kind: pandaset, folder: {tmp_path}}}]\n")
    command = ["evaluate", "demo_detector", "--config", str(config), "--pictures", str(tmp_path / "p")]  # until 0.2
    assert main([*command, "--engine", "onnxruntime"]) == 0
    told = capsys.readouterr().out
    assert "AP by centre distance" in told
    assert "engine: onnxruntime" in told
    assert told.count("image: ") == len(list((tmp_path / "p").glob("*.png"))) == 4


def test_sweeps_are_joined_for_a_package_that_reads_them_and_for_no_other(parking, tmp_path):
    joining = write_tiny_detector(tmp_path / "joining", CENTERS, ("intensity", "time"))
    with pytest.raises(BadConfig, match=r"expected sweeps: 2 or more .* reads joined sweeps, found 1"):
        evaluate(joining.path, [PANDASET])
    with pytest.raises(BadConfig, match=r"expected sweeps: 1 .* reads single sweeps, found 3"):
        evaluate(Path("demo_detector"), [PANDASET], sweeps=3)
    with pytest.raises(BadPointCloud, match="expected the field time_lag_s"):  # which a car park does not have
        evaluate(joining.path, [PANDASET], sweeps=3)
    assert parking == [3]
