"""The run of a plan, on a module that stands for TensorRT: shapes, order of calls, memory. No GPU, and no proof of one."""

import numpy as np
import onnx
import pytest

from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.engines.tensorrt.build_request import RowRange
from lidar_vl_core.engines.tensorrt.network import TensorRtNetwork
from lidar_vl_core.engines.tensorrt.parse import input_dims
from lidar_vl_core.foundation.errors import BadRequest, EngineUnavailable, TooManyVoxels
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT, kind_and_level, table_names
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from tests.core.engines.tensorrt.fake_tensorrt import fakes

ROWS = {f"N{level}": RowRange(least=1, usual=100, most=400) for level in range(3)}


@pytest.fixture(scope="module")
def plan(tiny_package) -> bytes:
    return load_model_package(tiny_package).onnx_bytes()


def inputs_of(voxels: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    cells = np.sort(rng.choice(20**3, voxels, replace=False))
    coords = np.stack(np.unravel_index(cells, (20,) * 3), axis=1).astype(np.int32)
    maps = build_kernel_maps(coords, 3)
    tables = {name: maps.table(*kind_and_level(name)) for name in table_names(3)}
    return {FEATURES: rng.normal(size=(voxels, 4)).astype(np.float32), **tables}


def opened(plan: bytes, cache=None, **runtime):
    tensorrt, cuda, module, fake = fakes(**runtime)
    dims = input_dims(onnx.load_model_from_string(plan))
    return TensorRtNetwork(tensorrt, plan, dims, ROWS, cache, cuda), module, fake


def test_answers_are_those_of_the_model_file_whatever_the_sizes(plan):
    network, _, fake = opened(plan)
    truth = open_onnxruntime(plan, 1)
    for seed, voxels in enumerate((50, 200, 200, 200, 1, 400, 200)):
        inputs = inputs_of(voxels, 1 if voxels == 200 else seed)
        np.testing.assert_array_equal(network.run([OUTPUT], inputs)[0], truth.run([OUTPUT], inputs)[0])
    network.close()
    assert (fake.blocks, fake.streams, fake.graphs) == ({}, 0, 0)


def test_a_run_is_one_upload_one_execution_one_download_and_one_wait(plan):
    network, _, fake = opened(plan)
    fake.calls.clear()
    network.run([OUTPUT], inputs_of(30))
    assert fake.calls == ["cudaMemcpyAsync", "execute", "cudaMemcpyAsync", "cudaStreamSynchronize"]


def test_where_shapes_repeat_the_third_run_is_one_launch_of_a_graph(plan):
    network, _, fake = opened(plan)
    first, second = inputs_of(60, 1), inputs_of(60, 1)
    second[FEATURES] = second[FEATURES] + 1
    network.run([OUTPUT], first)
    network.run([OUTPUT], first)
    assert "cudaGraphInstantiate" in fake.calls
    fake.calls.clear()
    answer = network.run([OUTPUT], second)[0]
    assert fake.calls == ["cudaGraphLaunch", "cudaStreamSynchronize"]
    np.testing.assert_array_equal(answer, open_onnxruntime(plan, 1).run([OUTPUT], second)[0])
    fake.calls.clear()
    network.run([OUTPUT], inputs_of(61))
    assert fake.calls[0] == "cudaGraphExecDestroy"


def test_where_no_graph_can_be_made_runs_go_on(plan):
    network, _, fake = opened(plan)
    fake.fails = {"cudaGraphInstantiate"}
    answers = [network.run([OUTPUT], inputs_of(60))[0] for _ in range(4)]
    assert fake.calls.count("cudaGraphInstantiate") == 1
    np.testing.assert_array_equal(answers[0], answers[3])


def test_an_answer_stays_as_it_is_when_the_next_one_is_computed(plan):
    network, _, _ = opened(plan)
    answer = network.run([OUTPUT], inputs_of(30, 1))[0]
    kept = answer.copy()
    network.run([OUTPUT], inputs_of(30, 2))
    np.testing.assert_array_equal(answer, kept)


def test_more_voxels_than_the_plan_was_built_for_are_refused_by_number(plan):
    network, _, fake = opened(plan)
    fake.calls.clear()
    with pytest.raises(TooManyVoxels, match="expected 1 to 400 rows on N0, as the plan was built for, found 401"):
        network.run([OUTPUT], inputs_of(401))
    assert fake.calls == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda inputs: inputs.pop("up0"), "inputs: expected features"),
        (lambda inputs: inputs.update(subm0=inputs["subm0"][:-1]), r"input subm0: expected \[50, 27\] int32, found \[49, 27\]"),
        (lambda inputs: inputs.update(subm0=inputs["subm0"].astype(np.int64)), r"input subm0: .* int32, found \[50, 27\] int64"),
        (lambda inputs: inputs.update(up0=inputs["up0"][:, None]), r"input up0: .*found \[50, 1\]"),
    ],
    ids=["missing", "other rows", "other type", "other dimensions"],
)  # fmt: skip
def test_inputs_that_do_not_belong_together_are_refused(plan, change, message):
    network, _, _ = opened(plan)
    inputs = inputs_of(50)
    change(inputs)
    with pytest.raises(BadRequest, match=message):
        network.run([OUTPUT], inputs)


@pytest.mark.parametrize("call", ["cudaStreamCreate", "cudaMalloc", "cudaMallocHost"])
def test_what_was_taken_is_given_back_where_memory_runs_out(plan, call):
    tensorrt, cuda, _, fake = fakes()
    fake.fails = {call}
    with pytest.raises(EngineUnavailable, match=f"CUDA {call}: expected success, found error 2: out of memory"):
        TensorRtNetwork(tensorrt, plan, input_dims(onnx.load_model_from_string(plan)), ROWS, None, cuda)
    assert (fake.blocks, fake.streams) == ({}, 0)


def test_a_plan_that_does_not_load_is_told_with_tensorrts_words(plan):
    tensorrt, cuda, module, fake = fakes()
    module.no_engine = True
    with pytest.raises(
        EngineUnavailable, match=r"loads on this GPU, found: IRuntime::deserializeCudaEngine: cudaError 35"
    ):
        TensorRtNetwork(tensorrt, plan, input_dims(onnx.load_model_from_string(plan)), ROWS, None, cuda)
    module.no_engine, module.no_context = False, True
    with pytest.raises(EngineUnavailable, match="expected memory for the plan"):
        TensorRtNetwork(tensorrt, plan, input_dims(onnx.load_model_from_string(plan)), ROWS, None, cuda)
    assert (fake.blocks, fake.streams) == ({}, 0)


def test_what_was_compiled_for_the_gpu_is_kept_for_the_next_start(plan, tmp_path):
    cache = tmp_path / "plan.runtime_cache"
    network, module, _ = opened(plan, cache)
    network.run([OUTPUT], inputs_of(30))
    assert cache.read_bytes() == b"compiled"
    assert module.read_back == []
    _, module, _ = opened(plan, cache)
    assert module.read_back == [b"compiled"]
