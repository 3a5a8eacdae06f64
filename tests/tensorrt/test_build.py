"""Plans are built without a GPU, kept, found again, and whatever goes wrong is said in words."""

import json
import sys

import numpy as np
import onnx
import pytest

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.cli import main
from lidar_vl_core.commands.machine.build_engine import build_engine
from lidar_vl_core.engines.tensorrt.build_process import build_plan
from lidar_vl_core.engines.tensorrt.build_request import BuildRequest, RowRange
from lidar_vl_core.engines.tensorrt.module import tensorrt_here
from lidar_vl_core.engines.tensorrt.plan_cache import PlanCache
from lidar_vl_core.foundation.errors import BadRequest, EngineUnavailable
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.sparse_model.half_form import in_half
from tests.written.embedding_packages import write_embedding_package
from tests.written.tiny_waffleiron import write_tiny_waffleiron


def clouds(count: int = 3) -> list[PointCloud]:
    rng = np.random.default_rng(0)
    sizes = [2000 + 500 * number for number in range(count)]
    return [
        PointCloud(rng.normal(0, (8, 8, 1), (size, 3)).astype(np.float32), np.zeros(size, np.float32), 0, "lidar")
        for size in sizes
    ]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> PlanCache:
    return PlanCache(tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module")
def tiny(tiny_package):
    return load_model_package(tiny_package)


def request(**changes: object) -> BuildRequest:
    tensorrt = tensorrt_here()
    levels = {f"N{level}": RowRange(least=1, usual=100, most=100) for level in range(3)}
    asked = {"module": tensorrt.name, "version": tensorrt.version, "model_sha256": "0" * 64, "targets": ("sm89",)}
    return BuildRequest(**(asked | {"rows": levels} | changes))


def test_a_command_builds_the_demo_for_three_kinds_of_cards(tmp_path, capsys):
    command = f"build-engine demo --target sm120,sm86,sm89 --clouds tests/data/pandaset_street/lidar --cache {tmp_path}"
    assert main(command.split()) == 0
    (plan,) = tmp_path.glob("*.plan")
    note = json.loads(plan.with_suffix(".json").read_text())
    assert note["request"]["targets"] == ["sm86", "sm89", "sm120"]
    assert note["layers"] > 500
    assert plan.stat().st_size > 5e6
    told = capsys.readouterr().out
    assert "demo for sm86, sm89, sm120, fp32, tensorrt_rtx" in told
    assert "the most of any times 1.3" in told


def test_a_plan_is_found_again_and_a_damaged_one_is_built_again(tiny, cache):
    said = []
    first = build_engine(tiny, "sm89", clouds(), cache=cache, progress=said.append)
    assert first.is_new
    assert "Building engine" in said
    again = build_engine(tiny, "sm89", clouds(), cache=cache)
    assert not again.is_new
    assert again.plan.content() == first.plan.content()

    content = bytearray(first.plan.path.read_bytes())
    content[1000] ^= 1
    first.plan.path.write_bytes(content)
    with pytest.raises(EngineUnavailable, match=r"expected the plan that was written, SHA-256 .* damaged: remove it"):
        first.plan.content()
    said.clear()
    assert build_engine(tiny, "sm89", clouds(), cache=cache, progress=said.append).is_new
    assert said[0].startswith("built again: ")


def test_an_embedding_package_is_built_without_its_last_layer(tmp_path, cache):
    package = write_embedding_package(tmp_path / "words")
    plan = build_engine(package, "sm89", clouds(), cache=cache).plan
    assert plan.note.request.part == "trunk"
    assert cache.of_model(package.manifest.files["model.onnx"], "whole") == []


def test_waffleiron_is_built_for_the_tables_of_the_clouds(tmp_path, cache):
    plan = build_engine(write_tiny_waffleiron(tmp_path / "waffleiron"), "sm86", clouds(), cache=cache).plan
    rows = plan.note.request.rows
    of_planes = [name for plane in range(3) for name in (f"L{plane}_0", f"L{plane}_1", f"L{plane}_2", f"K{plane}_2")]
    assert set(rows) == {"R", *of_planes}
    assert rows["R"].most >= 900


def test_without_a_gpu_a_plan_for_this_machine_is_refused(tiny, cache):
    with pytest.raises(EngineUnavailable, match=r"no GPU: expected an NVIDIA GPU with its driver, found: CUDA .*35"):
        build_engine(tiny, "this", clouds(), cache=cache)


@pytest.mark.parametrize("target", ["sm90", "", "89", "this,sm89", "sm87"])
def test_targets_that_rtx_does_not_build_for_are_refused(tiny, cache, target):
    with pytest.raises(BadRequest, match="expected this, or some of sm75"):
        build_engine(tiny, target, clouds(), cache=cache)


def test_another_precision_than_the_packages_is_refused(tiny, cache):
    with pytest.raises(BadRequest, match="--precision fp16: expected fp32, as tiny was exported"):
        build_engine(tiny, "sm89", clouds(), "fp16", cache)


def test_clouds_without_points_in_range_are_refused(tiny, cache):
    nothing = PointCloud(np.full((5, 3), 1e4, np.float32), np.zeros(5, np.float32), 0, "lidar")
    with pytest.raises(BadRequest, match="expected some with points in the network's range, found none in 1"):
        build_engine(tiny, "sm89", [nothing], cache=cache)


def test_the_oldest_cards_are_refused_in_float32_with_tensorrts_words(tiny):
    with pytest.raises(EngineUnavailable, match=r"plan for sm75: expected one, found: .*FP32"):
        build_plan(request(targets=("sm75",)), tiny.onnx_bytes())


def test_the_oldest_cards_are_built_for_in_half(tiny):
    half = in_half(onnx.load_model_from_string(tiny.onnx_bytes()))
    plan = build_plan(request(targets=("sm75",), precision="fp16"), half.SerializeToString())
    assert len(plan.content) > 100_000


def test_a_profile_of_other_levels_is_refused(tiny):
    levels = {f"N{level}": RowRange(least=1, usual=10, most=10) for level in range(2)}
    with pytest.raises(BadRequest, match="expected rows of N0, N1, N2, found those of N0, N1"):
        build_plan(request(rows=levels), tiny.onnx_bytes())


CHILDREN = {
    "crashed": ("import os; print('{\"phase\": \"Timing\"}', flush=True); os.abort()", r"it crashed \(SIGABRT\) while 'timing'"),
    "killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the system killed it at its start.*memory"),
    "out of memory": ("import sys; sys.exit('terminate called: std::bad_alloc')", "it ran out of memory at its start, its last output: terminate"),
    "ended": ("import sys; print('noise'); sys.exit(3)", "it ended with 3 at its start"),
    "without a plan": ("print('{\"layers\": 3}')", "it ended with 0"),
    "slow": ("import time; time.sleep(60)", "it took more than 1 s"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHILDREN)
def test_a_child_that_fails_is_told_in_words(tiny, case):
    code, message = CHILDREN[case]
    limit_s = 1.0 if case == "slow" else 60.0
    with pytest.raises(EngineUnavailable, match=f"building the plan: expected a plan, found that {message}"):
        build_plan(request(), b"", time_limit_s=limit_s, command=(sys.executable, "-c", code))
