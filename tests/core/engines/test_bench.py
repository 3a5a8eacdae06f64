"""`make bench` measures what it says; a part that fails does not take the others with it."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.engines.cpu.engine import FusedEngine
from lidar_vl_core.engines.cpu.plan import plan_network
from lidar_vl_core.sparse_model.graph import SparseGraph, read_sparse_graph
from lidar_vl_core.voxels.grid import voxelise
from lidar_vl_core.voxels.kernel_maps import KernelMaps, build_kernel_maps
from tests.bench.__main__ import main
from tests.bench.report.slopes import fitted_line, growth_exponent
from tests.bench.report.timing import judged, measured_row
from tests.bench.vehicle import engines, layers, stages
from tests.bench.vehicle.graphs import build_network, random_features
from tests.bench.vehicle.layers import LayerByLayer
from tests.bench.vehicle.scans import SizedScan, sized_scan
from tests.bench.vehicle.work import layer_work


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> SizedScan:
    return sized_scan(500, tmp_path_factory.mktemp("scans"))


@pytest.fixture(scope="module")
def graph() -> SparseGraph:
    return read_sparse_graph(build_network(8, (8, 8, 16, 16, 16, 8, 8, 8), 1))


def _maps(scan: SizedScan, graph: SparseGraph) -> KernelMaps:
    return build_kernel_maps(voxelise(scan.cloud.xyz_m, scan.grid).coords, graph.levels)


def test_a_scan_fills_as_many_voxels_as_asked(scan: SizedScan):
    assert scan.voxels == pytest.approx(500, rel=0.01)
    assert len(voxelise(scan.cloud.xyz_m, scan.grid).coords) == scan.voxels


def test_layers_run_one_by_one_give_the_engines_answer(scan: SizedScan, graph: SparseGraph):
    maps = _maps(scan, graph)
    features = random_features(graph, maps)
    expected = FusedEngine(graph, 1).run(features, maps)
    one_by_one = LayerByLayer(graph, maps, threads=2)
    seconds = one_by_one.run(features)
    np.testing.assert_array_equal(one_by_one.answer, expected)
    assert len(seconds) == len(plan_network(graph, in_int8=False).layers) + 1
    assert (seconds > 0).all()


def test_the_work_of_all_layers_is_that_of_the_graph(scan: SizedScan, graph: SparseGraph):
    maps = _maps(scan, graph)
    multiply_adds = 0
    for node in graph.nodes:
        if node.weight is None:
            continue
        rows = maps.counts[node.level]
        if node.table.startswith("subm"):
            rows = int((maps.subm[node.level] < maps.counts[node.level]).sum())
        elif node.table.startswith("child"):
            rows = maps.counts[node.level - 1]  # every voxel below has one parent
        multiply_adds += rows * node.weight.shape[1] * node.weight.shape[2]
    work = [layer_work(layer, maps) for layer in plan_network(graph, in_int8=False).layers]
    assert sum(each.gflop for each in work) == pytest.approx(2e-9 * multiply_adds)
    assert all(each.gbyte > 0 for each in work)


def test_engines_are_compared_on_the_same_answer_and_a_size_that_dies_is_left_out(
    scan: SizedScan, graph: SparseGraph, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(engines, "spconv_network", lambda *_: None)  # as where it is not installed
    rows = engines.rows_of(graph, scan)
    ratio = next(row for row in rows if row["name"].startswith("onnxruntime / fused:"))
    assert ratio["low"] <= ratio["value"] <= ratio["high"]
    assert rows[-1]["passed"]  # their answers are equal
    died = subprocess.CompletedProcess([], -9, stdout="")
    monkeypatch.setattr(engines.subprocess, "run", lambda *arguments, **named: died)
    assert engines.measure(quick=True) == []
    assert "ended by signal 9" in capsys.readouterr().err


def test_a_line_through_points_that_lie_on_it_is_certain_of_its_slope():
    line = fitted_line([1, 2, 3, 4], [3, 5, 7, 9])
    assert (line.slope, line.intercept) == pytest.approx((2.0, 1.0))
    assert line.slope_high - line.slope_low < 1e-6
    assert growth_exponent([10, 100, 1000], [3, 300, 30_000]).slope == pytest.approx(2.0)
    noisy = fitted_line([1, 2, 3, 4], [3, 6, 6, 9])
    assert noisy.slope_low < noisy.slope < noisy.slope_high
    with pytest.raises(ValueError, match="three points"):
        fitted_line([1, 2], [1, 2])


def test_a_row_is_judged_by_its_median():
    row = measured_row("ratio", [1.0, 4.0, 9.0], "x")
    assert (row["value"], row["repeats"]) == (4.0, 3)
    assert judged(row, at_least=4.0)["passed"]
    assert not judged(row, at_most=3.9)["passed"]


def test_a_part_that_fails_does_not_take_the_others_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(quick: bool = False) -> list:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(layers, "measure", fail)
    monkeypatch.setattr(stages, "measure", lambda quick=False: [measured_row("a", [1.0], "ms")])
    assert main(["--quick", "--only", "vehicle.layers", "vehicle.stages", "--out", str(tmp_path)]) == 1
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["vehicle.stages.json"]
