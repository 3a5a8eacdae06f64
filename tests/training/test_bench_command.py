"""`make bench` saves each part with its plots, which take the extra `train`, and resumes a stopped run."""

import json
from pathlib import Path

import pytest

from lidar_vl_core.sparse_model.graph import read_sparse_graph
from tests.bench.__main__ import main
from tests.bench.vehicle import layers, stages
from tests.bench.vehicle.graphs import build_network


def test_the_command_saves_each_part_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    graph = read_sparse_graph(build_network(8, (8, 8, 16, 16, 16, 8, 8, 8), 1))
    monkeypatch.chdir(tmp_path)  # the scans are kept under out/cache
    monkeypatch.setattr(layers, "QUICK_VOXELS", 300)
    monkeypatch.setattr(layers, "GRAPHS", {"tiny": lambda: graph})
    monkeypatch.setattr(layers, "measured_fma_rate", lambda cores: 100.0)
    monkeypatch.setattr(layers, "measured_bandwidth", lambda cores: 10.0)
    monkeypatch.setattr(stages, "QUICK_VOXELS", (200, 400, 800))
    out = tmp_path / "bench"
    command = ["--quick", "--only", "vehicle.layers", "vehicle.stages", "--out", str(out)]
    assert main(command) == 0
    told = json.loads((out / "bench.json").read_text())
    assert {row["part"] for row in told["rows"]} == {"vehicle.layers", "vehicle.stages"}
    text = (out / "bench.md").read_text()
    assert "## The vehicle path without ROS, by stage" in text
    assert "## tiny by layer" in text
    assert {path.name for path in out.glob("*.png")} == {"roofline.png", "growth.png"}
    (out / "parts" / "vehicle.stages.json").unlink()
    capsys.readouterr()
    assert main([*command, "--resume"]) == 0
    progress = capsys.readouterr().err
    assert "vehicle.layers: saved already" in progress
    assert "vehicle.stages ..." in progress
