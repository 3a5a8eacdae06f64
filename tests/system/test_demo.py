"""`make demo` in small: synthetic drive, real ROS 2 graph, report, in one command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.commands.replay import replay
from lidar_vl_core.model_packages.package import load_model_package

pytest.importorskip("rclpy", reason="needs the ROS 2 wheels: pip install -e .[ros]")
pytest.importorskip("embreex", reason="needs the ray caster: pip install -e .[synthetic]")


def _demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lidar_vl_ros.demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)


def test_the_demo_labels_every_cloud_and_agrees_with_the_replay_of_the_same_drive(
    tiny_package: Path, tmp_path: Path
) -> None:
    out = tmp_path / "demo"
    run = _demo("--out", out, "--model", tiny_package, "--frames", 4)
    assert run.returncode == 0, run.stderr
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["frames"] + metrics["drops"] == metrics["sent"] == 4  # a busy machine may drop, and says so
    assert metrics["frames"] >= 1
    assert 0 < metrics["latency_ms"]["p50"] < 5000
    replayed = replay(
        out / "drive.mcap", load_model_package(tiny_package), tmp_path / "out", label_field="label", label_table="nuscenes16"
    )  # fmt: skip
    answered = {frame["index"]: frame["mean_iou"] for frame in metrics["per_frame"]}
    assert answered.items() <= {frame["index"]: frame["mean_iou"] for frame in replayed["per_frame"]}.items()
    assert metrics["drops"] > 0 or metrics["confusion"] == replayed["confusion"]
    with open_bag(out / "recorded.mcap") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
    assert counts["/segmentation_node/output/pointcloud/segmentation"] == metrics["frames"]
    assert (out / "demo.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "report.html").read_text()
    assert page.count("data:image/jpeg") == page.count("<h2>Frame ") > 0
    assert len([line for line in run.stdout.splitlines() if not line.startswith("[")]) <= 12
    assert f"report       {out / 'report.html'}" in run.stdout


def test_a_model_that_is_not_there_ends_the_demo_before_it_begins(tmp_path: Path) -> None:
    run = _demo("--out", tmp_path / "demo", "--model", "nothing")
    assert run.returncode == 2
    assert run.stderr.startswith("demo: model 'nothing'")
    assert run.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_a_file_is_refused(tiny_package: Path, tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    run = _demo("--out", tmp_path / "demo", "--model", tiny_package)
    assert run.returncode == 2
    assert run.stderr.startswith(f"demo: {tmp_path / 'demo'}: expected a folder")
    assert (tmp_path / "demo").read_text() == "mine"
