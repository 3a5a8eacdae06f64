"""`make demo` in small: synthetic drive, real ROS 2 graph, report."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.labelled_message import labelled_message
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.recordings.reading import Reading
from lidar_vl_core.commands.recordings.replay import replay
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from lidar_vl_core.model_packages.manifest import ClassTableSpec
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.tasks.point_labels import PointLabels
from tests.written.tiny_detectors import CENTERS, tiny_detector_manifest, tiny_detector_model

pytest.importorskip("rclpy", reason="needs the ROS 2 wheels: pip install -e .[ros]")
pytest.importorskip("embreex", reason="needs the ray caster: pip install -e .[synthetic]")


Demo = Callable[..., subprocess.CompletedProcess[str]]
_REPOSITORY = Path(__file__).resolve().parents[2]


def _run(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)


@pytest.fixture(scope="module")
def tiny_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of nuScenes' classes, as the true boxes of a synthetic drive can be read in them."""
    table = class_table("nuscenes10")
    spec = ClassTableSpec(name=table.name, names=table.names, colors_rgb=tuple(map(tuple, table.colors_rgb.tolist())))
    manifest = tiny_detector_manifest(CENTERS, class_table=spec)
    folder = tmp_path_factory.mktemp("packages") / "detector"
    return write_model_package(folder, tiny_detector_model(CENTERS), manifest, "# Tiny detector\n").path


@pytest.fixture
def demo(tiny_package: Path, tiny_detector: Path) -> Demo:
    """Runs the demo with packages that take no time."""

    def run(bag: Path, out: Path, model: object = tiny_package) -> subprocess.CompletedProcess[str]:
        models = "--model", model, "--detection-model", tiny_detector
        return _run("lidar_vl_ros.demo", "--bag", bag, "--out", out, *models)

    return run


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made as `make demo` makes it, with fewer frames and smaller pictures, in one process."""
    path = tmp_path_factory.mktemp("drive") / "made" / "drive.mcap"
    recipe = (_REPOSITORY / "Makefile").read_text()
    module, seed = re.findall(r"python -m ([\w.]+) --out out/demo/drive.mcap --seed (\d+)", recipe)[0]
    fewer = "--frames", 4, "--image-width", 96, "--workers", 1
    run = _run(module, "--out", path, "--seed", seed, *fewer)
    assert run.returncode == 0, run.stderr
    return path


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    """Three clouds on one topic, without a field that says their true classes."""
    path, rng = tmp_path / "unlabelled.mcap", np.random.default_rng(3)
    labels = PointLabels(np.zeros(900, np.uint8), np.zeros(900, np.float32), {})
    with BagWriter(path) as bag:
        for number in range(3):
            xyz_m = rng.uniform(-20, 20, (900, 3)).astype(np.float32)
            cloud = PointCloud(xyz_m, np.zeros(900, np.float32), 1_000_000_000 + number * 500_000_000, "lidar")
            bag.write("/velodyne/points", CLOUD_TYPE, cloud.stamp_ns, labelled_message(cloud, labels))
    return path


def test_the_demo_does_both_tasks_and_agrees_with_the_replay_of_the_same_drive(
    demo: Demo, tiny_package: Path, tiny_detector: Path, drive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "demo"
    run = demo(drive, out)
    assert run.returncode == 0, run.stderr
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["frames"] + metrics["drops"] == metrics["sent"] == 4  # a busy machine may drop, and says so
    assert ("a slow or busy machine" in run.stdout) == (metrics["drops"] > 0)
    assert metrics["frames"] >= 1
    assert 0 < metrics["latency_ms"]["p50"] < 5000
    labelled = Reading(label_field="label", label_table="nuscenes16")
    replayed = replay(drive, load_model_package(tiny_package), tmp_path / "out", labelled)
    answered = {frame["index"]: frame["mean_iou"] for frame in metrics["per_frame"]}
    assert answered.items() <= {frame["index"]: frame["mean_iou"] for frame in replayed["per_frame"]}.items()
    assert metrics["drops"] > 0 or metrics["confusion"] == replayed["confusion"]
    boxes = replay(drive, load_model_package(tiny_detector), tmp_path / "boxes")["boxes_per_class"]
    assert metrics["drops"] > 0 or metrics["boxes_per_class"] == boxes
    with open_bag(out / "recorded.mcap") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
    answered = (
        counts["/perception_node/output/pointcloud/segmentation"],
        counts["/perception_node/output/objects/boxes"],
    )
    assert min(answered) == metrics["frames"]
    assert (out / "demo.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "report.html").read_text()
    assert page.count("data:image/jpeg") == 2 * page.count("<h2>Frame ") > 0
    assert metrics["box_topic"] == "/lidar/boxes_truth"
    assert metrics["box_quality"]["frames"] == metrics["frames"]
    assert "<h2>Boxes against the truth</h2>" in page
    assert "AP by the distance of centres" in run.stdout or "no true box in range" in run.stdout
    assert len([line for line in run.stdout.splitlines() if not line.startswith("[")]) <= 12
    assert f"report       {out / 'report.html'}" in run.stdout


def test_a_recording_without_true_classes_is_labelled_without_scores_and_the_demo_says_so(
    demo: Demo, unlabelled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "demo"
    run = demo(unlabelled, out)
    assert run.returncode == 0, run.stderr
    assert "no scores: the clouds of unlabelled.mcap have no field 'label'" in run.stdout
    assert "IoU" not in run.stdout
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["frames"] + metrics["drops"] == metrics["sent"] == 3
    assert "mean_iou" not in metrics
    assert (out / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "report.html").is_file()


def test_a_recording_that_is_not_there_ends_the_demo_before_it_begins(demo: Demo, tmp_path: Path) -> None:
    bag = tmp_path / "drive.mcap"
    run = demo(bag, tmp_path / "demo")
    assert run.returncode == 2
    assert run.stderr.startswith(f"demo: {bag}: expected a recording, found no such file")
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "demo").exists()


def test_a_model_that_is_not_there_ends_the_demo_before_it_begins(demo: Demo, drive: Path, tmp_path: Path) -> None:
    run = demo(drive, tmp_path / "demo", "nothing")
    assert run.returncode == 2
    assert run.stderr.startswith("demo: model 'nothing'")
    assert run.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_a_file_is_refused(demo: Demo, drive: Path, tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    run = demo(drive, tmp_path / "demo")
    assert run.returncode == 2
    assert run.stderr.startswith(f"demo: {tmp_path / 'demo'}: expected a folder")
    assert (tmp_path / "demo").read_text() == "mine"


def test_results_of_an_earlier_demo_stay_unless_they_may_be_replaced(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "demo.png").write_text("earlier")
    run = demo(tmp_path / "drive.mcap", tmp_path)
    assert run.returncode == 2
    assert "Give --overwrite" in run.stderr
    assert (tmp_path / "demo.png").read_text() == "earlier"
