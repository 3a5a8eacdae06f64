"""The plugin's kernel on a GPU, launched through CuPy without TensorRT, against the reference."""

import ctypes

import cupy
import numpy as np
import pytest

from lidar_vl_core.engines.tensorrt_plugin.build import build
from lidar_vl_core.engines.tensorrt_plugin.python_plugin import Launch, launcher
from tests.tensorrt.sparse_conv_reference import SparseConvProblem, random_problem


@pytest.fixture(scope="module")
def launch(tmp_path_factory) -> Launch:
    target = int(cupy.cuda.Device().compute_capability)
    return launcher(ctypes.CDLL(str(build(tmp_path_factory.mktemp("plugin") / "plugin.so", targets=(target,)))))


def computed(launch: Launch, problem: SparseConvProblem) -> np.ndarray:
    y = cupy.full((len(problem.table), len(problem.bias)), cupy.nan, problem.x.dtype)
    arrays = [cupy.asarray(value) for value in (problem.x, problem.table, problem.weight, problem.bias)]
    stream = cupy.cuda.get_current_stream()
    is_half = int(problem.x.dtype == np.float16)
    assert launch(is_half, *(array.data.ptr for array in (*arrays, y)), *problem.sizes, stream.ptr) == 0
    stream.synchronize()
    return cupy.asnumpy(y)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(
    "sizes",
    [
        (1, 1, 27, 4, 16), (0, 3, 8, 4, 16), (90, 129, 27, 5, 7), (70, 65, 3, 40, 8), (3_000, 3_000, 27, 32, 32),
        (3_000, 900, 8, 64, 96), (2_000, 2_000, 27, 256, 256),
    ],
)  # fmt: skip
def test_the_kernel_gives_the_sums_of_the_reference(launch, sizes, dtype):
    problem = random_problem(*sizes, dtype)
    np.testing.assert_allclose(computed(launch, problem), problem.answer(), rtol=0, atol=problem.tolerance())


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_result_is_the_same_bit_by_bit_when_repeated(launch, dtype):
    problem = random_problem(5_000, 5_000, 27, 64, 64, dtype)
    first = computed(launch, problem)
    assert all(np.array_equal(computed(launch, problem), first) for _ in range(3))
