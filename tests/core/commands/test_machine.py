"""What a machine can run is told, and TensorRT is tried on it: here with a module that stands for it."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.cli import main
from lidar_vl_core.commands.machine import doctor
from lidar_vl_core.commands.machine.about_machine import about_lines, about_machine
from lidar_vl_core.commands.machine.clouds import clouds_at
from lidar_vl_core.commands.machine.engine_trial import try_engine
from lidar_vl_core.engines.tensorrt.build_request import BuildRequest, RowRange, input_shapes
from lidar_vl_core.engines.tensorrt.measured_rows import measured_rows
from lidar_vl_core.engines.tensorrt.parse import input_dims
from lidar_vl_core.foundation.errors import BadRequest, EngineUnavailable
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.network_rows import network_rows
from lidar_vl_core.tasks.segmenter import Segmenter
from tests.written.tiny_waffleiron import write_tiny_waffleiron

STREET = "tests/data/pandaset_street/lidar"


def clouds(count: int = 2) -> list[PointCloud]:
    rng = np.random.default_rng(0)
    xyz_m = [rng.normal(0, (8, 8, 1), (400, 3)).astype(np.float32) for _ in range(count)]
    return [PointCloud(each, np.zeros(400, np.float32), 0, "lidar") for each in xyz_m]


def test_every_part_of_the_machine_is_told_with_what_is_missing(monkeypatch):
    about = about_machine()
    assert list(about) == ["software", "processor", "GPU", "TensorRT", "ONNX Runtime", "ROS"]
    assert "CPUExecutionProvider" in about["ONNX Runtime"]["providers"]
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "/nowhere/profile.xml")
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    about = about_machine()
    assert about["ROS"]["distribution"] == "jazzy"
    assert about["ROS"]["middleware profile"].endswith("/nowhere/profile.xml, WHICH IS NOT A FILE")
    assert any(line.startswith("  distribution") for line in about_lines(about))


def test_doctor_writes_its_report_whole_and_replaces_none_unasked(tmp_path, capsys):
    report = tmp_path / "machine.json"
    assert main(["doctor", "--out", str(report)]) == 0
    assert json.loads(report.read_text())["machine"]["processor"]["model"]
    assert main(["doctor", "--out", str(report)]) == 2
    assert "Give --overwrite" in capsys.readouterr().err
    page = tmp_path / "machine.md"
    assert main(["doctor", "--out", str(page)]) == 0
    assert page.read_text().startswith("# What this machine can run\n\n## software\n\n| | |")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["doctor", "--out", "report.txt"], "expected a name ending in .md or .json"),
        (["doctor", "--tensorrt", "demo"], "expected --tensorrt and --clouds together"),
        (["doctor", "--tensorrt", "demo", "--clouds", "nowhere"], "--clouds nowhere: expected a folder of clouds"),
        *(
            (
                ["build-engine", "demo", "--target", "sm89", "--clouds", STREET, f"--time-limit={value}"],
                "expected seconds above 0, up to 604800",
            )
            for value in ("nan", "inf", "1e400", "0", "-1")
        ),
        (["build-engine", "nothing", "--target", "sm89", "--clouds", STREET], "model 'nothing'"),
    ],
)
def test_wrong_requests_end_in_one_line(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_trial_compares_every_cloud_and_measures_both_engines(plans, tiny_package):
    add, module, _ = plans
    package = load_model_package(tiny_package)
    add(package)
    trial = try_engine(package, clouds(), threads=1)
    assert (trial.engine, trial.problem, trial.clouds) == ("tensorrt", "", 2)
    assert trial.worst.same_class == 1.0
    assert trial.worst.difference < 1e-4
    assert {name: list(taken) for name, taken in trial.network_ms.items()} == {
        name: ["p50", "p95", "p99"] for name in ("tensorrt", "fused")
    }
    module.times = 1.5
    assert "failed" in try_engine(package, clouds(), threads=1).problem


def test_doctor_says_of_a_plan_whether_it_can_be_used(plans, tiny_package, monkeypatch):
    add, module, runtime = plans
    package = load_model_package(tiny_package)
    built = []

    def build(package, target, _clouds, _precision, progress):
        built.append(target)
        add(package)
        from lidar_vl_core.engines.tensorrt.plan_cache import PlanCache

        (plan,) = PlanCache().of_model(package.manifest.files["model.onnx"], "whole")
        return doctor.EngineBuilt(plan, is_new=True)

    monkeypatch.setattr(doctor, "build_engine", build)
    usable = doctor.examine(package, clouds())
    assert usable.verdict == "the answers match those of the fused engine"
    assert any(line.startswith("  network by tensorrt: p50") for line in usable.lines())
    assert "tensorrt" in doctor.report_json({}, usable)["tensorrt"]["trial"]["network_ms"]
    module.times = 0.5
    assert doctor.examine(package, clouds()).verdict.startswith("NOT USABLE: engine tensorrt failed")
    runtime.fails = {"cudaGetDeviceCount"}
    unknown = doctor.examine(package, clouds())
    assert unknown.trial is None
    assert unknown.verdict == "the plan builds; its answers and its speed are unknown because there is no GPU"
    assert built == ["this", "this", "sm86,sm89,sm120"]


def test_rows_are_measured_with_a_margin():
    rows = measured_rows(
        [{"N0": 1000, "N1": 300}, {"N0": 3000, "N1": 500}, {"N0": 2000, "N1": 400}, {"N0": 0, "N1": 0}]
    )
    assert rows["N0"] == RowRange(least=1, usual=2000, most=4096)  # 3900 rounded up to 256
    assert rows["N1"].most == 768


@pytest.mark.parametrize("name", ["demo", "demo_detector"])
def test_rows_of_a_cloud_are_those_the_network_gets(name):
    package = load_model_package(name)
    cloud = next(clouds_at_street())
    rows = network_rows(package, cloud)
    assert len(rows) == 5
    assert rows["N0"] > 1000
    if name == "demo":
        segmenter = Segmenter(package, "fused", threads=1)
        seen = []
        monkey = segmenter._opened()._engine.run
        segmenter._opened()._engine.run = lambda features, maps: (seen.append(maps.counts), monkey(features, maps))[1]
        segmenter.segment(cloud)
        assert seen[0] == tuple(rows.values())


def test_rows_of_waffleiron_are_those_of_every_input(tmp_path):
    package = write_tiny_waffleiron(tmp_path / "waffleiron")
    rows = network_rows(package, clouds(1)[0])
    dims = input_dims(onnx.load_model_from_string(package.onnx_bytes()))
    assert input_shapes(dims, measured_rows([rows])).keys() == dims.keys()
    assert 100 < rows["R"] <= 400


def clouds_at_street():
    return clouds_at(Path(__file__).parents[3] / STREET)


def test_clouds_are_those_of_a_folder_a_file_or_a_recording():

    root = Path(__file__).parents[3] / "tests" / "data"
    assert len(list(clouds_at(root / "pandaset_street" / "lidar"))) == 4
    assert len(list(clouds_at(root / "pandaset_street" / "lidar", most=2))) == 2
    assert len(list(clouds_at(root / "pandaset_street" / "lidar" / "00.npz"))) == 1
    assert len(list(clouds_at(root / "bags" / "street_mcap", most=3))) > 1


def test_a_profile_needs_the_rows_of_every_dimension_and_levels_that_shrink():
    dims = {"features": ("N0", 4), "child0": ("N1", 8)}
    some = RowRange(least=1, usual=5, most=10)
    assert input_shapes(dims, {"N0": some, "N1": some})["child0"] == ((1, 8), (5, 8), (10, 8))
    with pytest.raises(BadRequest, match="expected rows of N0, N1, found those of N0"):
        input_shapes(dims, {"N0": some})
    with pytest.raises(BadRequest, match="expected no more rows on level N1 than on N0, found 11 and 10"):
        input_shapes(dims, {"N0": some, "N1": RowRange(least=1, usual=5, most=11)})


def test_a_request_has_a_key_of_everything_in_it():
    rows = {"N0": RowRange(least=1, usual=5, most=10)}
    asked = {"module": "tensorrt_rtx", "version": "1", "model_sha256": "a", "targets": ("sm89",), "rows": rows}
    others = [
        {"module": "tensorrt"},
        {"version": "2"},
        {"model_sha256": "b"},
        {"targets": ("sm86",)},
        {"rows": {"N0": RowRange(least=1, usual=5, most=11)}},
        {"flags": ()},
        {"part": "trunk"},
        {"precision": "fp16"},
        {"gpu": "x"},
    ]
    keys = {BuildRequest(**asked).key, *(BuildRequest(**(asked | other)).key for other in others)}
    assert len(keys) == 1 + len(others)


def test_a_package_that_cannot_be_imported_is_told_by_name(monkeypatch):
    from lidar_vl_core.engines.tensorrt.module import tensorrt_here

    with pytest.raises(
        EngineUnavailable, match="engine tensorrt: expected the module tensorrt_nowhere, found: No module"
    ):
        tensorrt_here(("tensorrt_nowhere",))


def test_a_folder_of_clouds_without_permission_is_told_in_one_line(tmp_path, monkeypatch) -> None:
    def denied(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(
        BadRequest, match=r"expected a readable folder, found: Permission denied\. Check its permissions"
    ):
        next(clouds_at(tmp_path))
