"""A session says which engine it runs and refuses what does not fit its network."""

import os
import subprocess
import sys

import numpy as np
import pytest

from lidar_vl_core.engines.cpu.engine import FusedEngine
from lidar_vl_core.engines.session import Session, open_session
from lidar_vl_core.foundation.errors import BadRequest, EngineUnavailable
from lidar_vl_core.model_packages.manifest import Manifest
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.sparse_model.onnx_form import FEATURES, SparseGraphBuilder
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from tests.core.engines.made_networks import scan, u_net


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> ModelPackage:
    builder = SparseGraphBuilder(in_channels=2, levels=1, name="tiny")
    weight, bias = np.ones((27, 2, 3), np.float32), np.arange(3, dtype=np.float32)
    model = builder.finish(builder.sparse_conv(FEATURES, "subm0", weight, bias))
    manifest = Manifest.model_validate_json(
        """{"name": "tiny", "class_table": {"name": "abc", "names": ["a", "b", "c"],
        "colors_rgb": [[0, 0, 0], [1, 1, 1], [2, 2, 2]]}, "grid": {"kind": "cartesian", "voxel_size": [1, 1, 1],
        "point_cloud_range": [-8, -8, -8, 8, 8, 8]}, "features": ["one", "height"], "levels": 1, "opset": 18,
        "producer": {"version": "0", "commit": "0"}, "training_data": [], "licence": "Apache-2.0", "limits": []}"""
    )
    return write_model_package(tmp_path_factory.mktemp("package") / "tiny", model, manifest, "# Tiny\n")


@pytest.mark.parametrize(("asked", "taken"), [("auto", "fused"), ("fused", "fused"), ("onnxruntime", "onnxruntime")])
def test_a_session_says_which_engine_it_runs(package, asked, taken):
    session = open_session(package, engine=asked, threads=1)
    assert session.engine_name == taken
    features, maps = scan(50, 0, 1, 2)
    assert session.run(features, maps).shape == (maps.counts[0], 3)


def test_a_voxel_alone_sees_itself_only(package):
    maps = build_kernel_maps(np.array([[4, 4, 4]], np.int32), levels=1)
    answer = open_session(package, threads=1).run(np.array([[1.0, 2.0]], np.float32), maps)
    np.testing.assert_allclose(answer, [[3.0, 4.0, 5.0]])


def test_tensorrt_is_refused_with_what_to_do(package):
    with pytest.raises(EngineUnavailable, match="Use engine fused"):
        open_session(package, engine="tensorrt")


@pytest.mark.parametrize(
    "arguments", [{"engine": "cuda"}, {"threads": 0}, {"threads": -1}], ids=["engine", "no thread", "negative"]
)
def test_a_session_that_cannot_be_is_refused(package, arguments):
    with pytest.raises(BadRequest, match=r"expected .* found"):
        open_session(package, **arguments)


@pytest.mark.parametrize(
    "features",
    [np.zeros((3, 2), np.float64), np.zeros((3, 5), np.float32), np.zeros((2, 2), np.float32), np.zeros(6, np.float32)],
    ids=["float64", "channels", "rows", "one dimension"],
)
def test_features_that_do_not_fit_are_refused(package, features):
    maps = build_kernel_maps(np.array([[0, 0, 0], [0, 0, 1], [5, 5, 5]], np.int32), levels=1)
    with pytest.raises(BadRequest, match=r"features: expected .* found"):
        open_session(package, threads=1).run(features, maps)


def test_maps_with_too_few_levels_are_refused():
    graph = u_net()
    session = Session("fused", FusedEngine(graph, threads=1), graph.in_channels, graph.levels)
    maps = build_kernel_maps(np.array([[0, 0, 0]], np.int32), levels=1)
    with pytest.raises(BadRequest, match="at least 2 levels"):
        session.run(np.zeros((1, 4), np.float32), maps)


def test_a_session_of_onnx_runtime_reports_nothing_to_its_maker(package, tmp_path):
    places = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}  # where it would keep its events
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"} | places
    code = (
        "from lidar_vl_core.engines.onnx_runtime import open_onnxruntime\n"
        f"open_onnxruntime(open({str(package.path / 'model.onnx')!r}, 'rb').read(), 1)"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
