"""Packages in half and int8 by both CPU engines, beside the same arithmetic written out slowly."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.cpu import program
from lidar_vl_core.engines.cpu.registers import HAS_VNNI
from lidar_vl_core.engines.session import Session, open_session
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from lidar_vl_core.model_packages.language_files import LanguageFiles
from lidar_vl_core.model_packages.manifest import Manifest
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.sparse_model.graph import GraphNode, read_sparse_graph
from lidar_vl_core.sparse_model.half_form import in_half
from lidar_vl_core.sparse_model.int8_form import in_int8, inputs_to_quantize
from lidar_vl_core.sparse_model.known_precisions import Precision
from lidar_vl_core.sparse_model.onnx_form import kind_and_level
from lidar_vl_core.tasks.detector import Detector
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.voxels.kernel_maps import KernelMaps, build_kernel_maps
from tests.written.embedding_packages import write_embedding_package
from tests.written.tiny_detectors import CENTERS, write_tiny_detector
from tests.written.tiny_package import write_tiny_package

STEP = 0.03  # of every value between the layers, in int8


def lowered(
    package: ModelPackage, precision: Precision, folder: Path, language: LanguageFiles | None = None, step: float = STEP
) -> ModelPackage:
    model = onnx.load_model_from_string(package.onnx_bytes())
    lower = in_half(model) if precision == "fp16" else in_int8(model, dict.fromkeys(inputs_to_quantize(model), step))
    manifest = package.manifest.model_copy(update={"precision": precision})
    return write_model_package(folder, lower, manifest, "# T\n", language)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelPackage]:
    folder = tmp_path_factory.mktemp("tiny")
    single = load_model_package(write_tiny_package(folder / "fp32"))
    return {"fp32": single} | {name: lowered(single, name, folder / name) for name in ("fp16", "int8")}


def scan(count: int) -> tuple[np.ndarray, KernelMaps]:
    cells = np.sort(np.random.default_rng(count).choice(20**3, count, replace=False))
    coords = np.stack(np.unravel_index(cells, (20,) * 3), axis=1).astype(np.int32)
    return np.random.default_rng(1).normal(size=(count, 4)).astype(np.float32), build_kernel_maps(coords, 3)


def half(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16).astype(np.float32)


def quantized(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values / np.float32(STEP)), -127, 127) * np.float32(STEP)


def written_out(package: ModelPackage, features: np.ndarray, maps: KernelMaps) -> np.ndarray:
    """Every layer in float32, its answer rounded to half, or the inputs of its products to int8."""
    precision = package.manifest.precision
    rounded = half if precision == "fp16" else np.asarray
    values = {"features": rounded(features)}
    for node in read_sparse_graph(onnx.load_model_from_string(package.onnx_bytes())).nodes:
        inputs = [values[name] for name in node.inputs]
        if precision == "int8" and node.op == "sparse_conv" and node.inputs != ("features",):
            inputs = [quantized(value) for value in inputs]
        values[node.output] = rounded(layer(node, inputs, maps))
    return values["logits"]


def layer(node: GraphNode, inputs: list[np.ndarray], maps: KernelMaps) -> np.ndarray:
    x = inputs[0]
    match node.op:
        case "sparse_conv":
            rows = np.vstack([x, np.zeros((1, x.shape[1]), np.float32)])[maps.table(*kind_and_level(node.table))]
            return np.einsum("nkc,kcd->nd", rows, node.weight) + node.bias
        case "sparse_inverse_conv":
            up = maps.table(*kind_and_level(node.table))
            return np.einsum("nc,ncd->nd", x[up // 8], node.weight[up % 8]) + node.bias
        case "linear":
            return x @ node.weight[0] + node.bias
        case "relu":
            return np.maximum(x, 0)
        case "add":
            return x + inputs[1]
        case "concat":
            return np.hstack(inputs)
    return x


@pytest.mark.parametrize("count", [1, 2, 900])
def test_onnx_runtime_computes_in_the_precision_of_the_file(tiny, count):
    features, maps = scan(count)
    exact = open_session(tiny["fp32"], "fused", 1).run(features, maps)
    for precision, tolerance in (("fp16", 2e-3), ("int8", 1e-4)):
        expected = written_out(tiny[precision], features, maps)
        found = open_session(tiny[precision], "onnxruntime", 1).run(features, maps)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=tolerance * scale)
        assert 1e-5 < np.abs(found - exact).max() / scale < 0.2  # it rounds, and not much


def test_the_fused_engine_computes_in_float32_with_the_weights_of_a_file_in_half(tiny):
    features, maps = scan(700)
    sessions: list[Session] = [open_session(tiny[name], "auto", 1) for name in ("fp16", "fp32")]
    assert {session.engine_name for session in sessions} == {"fused"}
    found, exact = (session.run(features, maps) for session in sessions)
    assert np.abs(found - exact).max() < 2e-3 * np.abs(exact).max()


@pytest.mark.skipif(not HAS_VNNI, reason="this processor multiplies no bytes")
@pytest.mark.parametrize("count", [0, 1, 2, 900])
def test_the_fused_engine_computes_a_file_in_int8_as_it_is_written(tiny, count):
    features, maps = scan(count)
    session = open_session(tiny["int8"], "auto", 2)
    assert session.engine_name == "fused, int8"
    expected = written_out(tiny["int8"], features, maps)
    np.testing.assert_allclose(session.run(features, maps), expected, atol=1e-4 * np.abs(expected).max(initial=1e-6))


def test_a_processor_that_multiplies_no_bytes_takes_the_weights_in_float32_and_says_so(tiny, monkeypatch):
    monkeypatch.setattr(program, "HAS_VNNI", False)
    features, maps = scan(700)
    session = open_session(tiny["int8"], "auto", 1)
    assert session.engine_name == "fused, int8 weights in float32"
    exact = open_session(tiny["fp32"], "auto", 1).run(features, maps)
    assert np.abs(session.run(features, maps) - exact).max() < 3e-2 * np.abs(exact).max()


def test_an_empty_scan_has_no_rows_in_any_precision(tiny):
    features, maps = scan(0)
    for precision in ("fp16", "int8"):
        assert open_session(tiny[precision], "onnxruntime", 1).run(features, maps).shape == (0, 16)


def cloud() -> PointCloud:
    rng = np.random.default_rng(5)
    xyz_m = (rng.uniform(-1, 1, (4000, 3)) * [6, 6, 1.5] + [6, 0, 0]).astype(np.float32)
    return PointCloud(xyz_m, rng.random(len(xyz_m), np.float32), 0, "lidar")


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_words_are_applied_to_the_features_of_a_network_in_any_precision(tmp_path, precision):
    single = write_embedding_package(tmp_path / "fp32", with_encoder=False)
    package = lowered(single, precision, tmp_path / precision, LanguageFiles(single.text_table()))
    expected = Segmenter(single, "fused", 1).embeddings(cloud())
    for engine in ("fused", "onnxruntime"):
        found = Segmenter(package, engine, 1).embeddings(cloud())
        assert np.nanmax(np.abs(found - expected)) < 0.05 * np.nanmax(np.abs(expected))


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_detector_in_any_precision_has_nearly_the_maps_of_float32(tmp_path, precision):
    single = write_tiny_detector(tmp_path / "fp32", CENTERS)
    package = lowered(single, precision, tmp_path / precision, step=0.1)  # metres are among its values
    expected = Detector(single, "fused", 1).head_maps(cloud())
    largest = max(np.abs(values).max() for values in expected.values())
    for engine in ("fused", "onnxruntime"):
        for name, found in Detector(package, engine, 1).head_maps(cloud()).items():
            assert np.abs(found - expected[name]).max() < {"fp16": 2e-3, "int8": 0.2}[precision] * largest


def test_a_manifest_that_tells_of_another_precision_than_the_file_is_refused(tiny, tmp_path):
    model = onnx.load_model_from_string(tiny["fp16"].onnx_bytes())
    for precision in ("fp32", "int8"):
        manifest = tiny["fp32"].manifest.model_copy(update={"precision": precision})
        with pytest.raises(BadModelPackage, match=f"precision {precision}, found fp16 in model.onnx"):
            write_model_package(tmp_path / precision, model, manifest, "# T\n")


def test_a_manifest_without_the_key_is_of_float32_and_an_unknown_precision_is_refused(tiny):
    fields = tiny["fp16"].manifest.model_dump(mode="json", exclude_none=True)
    with pytest.raises(BadConfig, match="precision"):
        validated(Manifest, fields | {"precision": "bf16"}, "manifest.yaml")
    del fields["precision"]
    assert validated(Manifest, fields, "manifest.yaml").precision == "fp32"
