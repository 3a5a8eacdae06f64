"""The fused sparse convolution of TensorRT as far as it goes without a GPU: its sums on a CPU, its compilation, plans with it."""

import ctypes
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lidar_vl_core.commands.cli import main
from lidar_vl_core.engines.tensorrt.parse import inlined
from lidar_vl_core.engines.tensorrt_plugin import build as building
from lidar_vl_core.engines.tensorrt_plugin.library import LIBRARY_VARIABLE, library_sha256, register_plugin
from lidar_vl_core.engines.tensorrt_plugin.python_plugin import launcher
from lidar_vl_core.foundation.errors import EngineUnavailable
from tests.tensorrt.sparse_conv_reference import SparseConvProblem, random_problem

HERE = Path(__file__).parent
INVALID_VALUE = 1  # cudaErrorInvalidValue


class HostProblem(ctypes.Structure):
    """Problem of sources/sparse_conv_tile.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("x", "table", "weight", "bias", "y")),
        *((name, ctypes.c_int) for name in ("rows_in", "rows", "kernel", "c_in", "c_out")),
    ]


@pytest.fixture(scope="module")
def on_host(tmp_path_factory) -> ctypes.CDLL:
    library = tmp_path_factory.mktemp("host") / "sparse_conv_on_host.so"
    options = ["-std=c++17", "-O2", "-shared", "-Xcompiler=-fPIC,-Wno-unknown-pragmas", "--cudart=none"]
    command = [building.nvcc_here(), *options, f"-I{building.SOURCES}", HERE / "sparse_conv_on_host.cpp", "-o", library]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library))


@pytest.fixture(scope="module")
def plugin(tmp_path_factory) -> Path:
    """The library for one target; all of them take `make plugin`."""
    return building.build(tmp_path_factory.mktemp("plugin") / "liblidar_vl_tensorrt.so", targets=(86,))


def computed_on_host(library: ctypes.CDLL, problem: SparseConvProblem) -> np.ndarray:
    y = np.full((len(problem.table), len(problem.bias)), np.nan, problem.x.dtype)
    arrays = [*(np.ascontiguousarray(a) for a in (problem.x, problem.table, problem.weight, problem.bias)), y]
    compute = library.sparse_conv_half if problem.x.dtype == np.float16 else library.sparse_conv_float
    compute(ctypes.byref(HostProblem(*(array.ctypes.data for array in arrays), *problem.sizes)))
    return y


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param((100, 100, 27, 16, 32), id="submanifold"),
        pytest.param((100, 30, 8, 64, 96), id="strided, more columns than a tile"),
        pytest.param((70, 65, 3, 40, 8), id="strided in z alone, more channels than a tile"),
        pytest.param((90, 129, 27, 5, 7), id="channels that fill no 16 bytes"),
        pytest.param((1, 1, 27, 4, 16), id="one row"),
        pytest.param((0, 3, 8, 4, 16), id="nothing to gather"),
        pytest.param((5, 0, 27, 4, 16), id="nothing to compute"),
    ],
)
def test_the_steps_of_the_kernel_give_the_sums_of_the_reference(on_host, sizes, dtype):
    problem = random_problem(*sizes, dtype)
    np.testing.assert_allclose(computed_on_host(on_host, problem), problem.answer(), rtol=0, atol=problem.tolerance())


def test_offsets_without_neighbours_and_wrong_rows_count_as_missing(on_host):
    problem = random_problem(40, 80, 27, 8, 8)
    problem.table[:, 3] = 40
    problem.table[:, 4] = -1
    problem.table[:, 5] = 2**31 - 1
    found = computed_on_host(on_host, problem)
    np.testing.assert_allclose(found, problem.answer(), rtol=0, atol=problem.tolerance())
    problem.table[:] = 40
    np.testing.assert_array_equal(computed_on_host(on_host, problem), np.tile(problem.bias, (80, 1)))


def test_the_library_refuses_sizes_that_are_none_and_starts_nothing_for_no_rows(plugin):
    launch = launcher(ctypes.CDLL(str(plugin)))
    for sizes in [(5, 5, 28, 4, 4), (5, 5, 0, 4, 4), (-1, 5, 27, 4, 4), (5, 5, 27, 0, 4), (5, 5, 27, 4, -4)]:
        assert launch(0, *[None] * 5, *sizes, None) == INVALID_VALUE
    assert launch(1, *[None] * 5, 5, 0, 27, 4, 4, None) == 0


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_demo_model_becomes_a_plan_in_which_plugins_compute_its_sparse_convolutions(plugin, precision, tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT's wheel does not fit this machine")
    package = find_spec("tensorrt_rtx_libs")
    assert package is not None
    (wheel,) = package.submodule_search_locations
    (tmp_path / "libtensorrt_rtx.so").symlink_to(Path(wheel) / "libtensorrt_rtx.so.1")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), LIBRARY_VARIABLE: str(plugin)}
    command = [sys.executable, "-m", "tests.tensorrt.build_with_plugin", precision]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["registered"] == "Python"
    assert told["plugins"] == told["nodes"] == 21
    assert told["plan_bytes"] > 1_000_000


@pytest.mark.slow
def test_a_plan_is_built_with_the_plugin_by_command_and_belongs_to_this_library(
    plugin, tiny_package, tmp_path, monkeypatch
):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT's wheel does not fit this machine")
    monkeypatch.setenv(LIBRARY_VARIABLE, str(plugin))
    command = f"build-engine {tiny_package} --target sm86 --clouds tests/data/pandaset_street/lidar --cache {tmp_path} --plugin"
    assert main(command.split()) == 0
    (note,) = (json.loads(path.read_text()) for path in tmp_path.glob("*.json"))
    assert note["request"]["plugin_sha256"] == library_sha256()
    plain_nodes = inlined((tiny_package / "model.onnx").read_bytes()).graph.node
    assert note["layers"] < len(plain_nodes)  # TensorRT makes more than one layer of a plain node
    with pytest.raises(EngineUnavailable, match="expected the plugin that the plan was built with"):
        register_plugin(None, "0" * 64)


def test_tensorrt_for_rtx_that_would_end_the_process_is_refused(plugin, monkeypatch):
    monkeypatch.setenv(LIBRARY_VARIABLE, str(plugin))
    with pytest.raises(EngineUnavailable, match=r"libtensorrt_rtx\.so: expected it on the library path"):
        register_plugin(SimpleNamespace(__name__="tensorrt_rtx"))


def test_a_library_that_is_not_there_or_another_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path / "plugin.so"))
    with pytest.raises(EngineUnavailable, match="expected the compiled TensorRT plugin, found no file"):
        library_sha256()
    (tmp_path / "plugin.so").write_text("no library")
    with pytest.raises(EngineUnavailable, match=r"plugin\.so: expected the TensorRT plugin compiled for this machine"):
        register_plugin(SimpleNamespace(__name__="tensorrt"))


def test_what_the_compiler_says_is_told(tmp_path):
    with pytest.raises(EngineUnavailable, match=r"expected it to compile the plugin, found error .*compute_12345"):
        building.build(tmp_path / "plugin.so", targets=(12345,))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_headers_of_tensorrt_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TENSORRT_INCLUDE", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=r"expected the folder of NvInferRuntime\.h"):
        building.tensorrt_headers()
    (tmp_path / "NvInferRuntime.h").touch()
    assert building.tensorrt_headers() == tmp_path
