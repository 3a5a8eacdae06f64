"""A package in half or int8 answers nearly as in float32, or it is not written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.checked_engine import LIMITS, Limits
from lidar_vl_core.foundation.errors import BadModelPackage, BadRequest
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.sparse_model.int8_form import STEPS, inputs_to_quantize
from offline_training.cli.main import main
from offline_training.export.calibration import MOST_CLOUDS, _best_scale, calibrated_scales, calibration_clouds
from offline_training.export.export_precision import export_precision
from offline_training.export.precision_parity import PrecisionParity, compare_precision, has_counterpart
from tests.recordings import SHIPPED, recording
from tests.written.embedding_packages import write_embedding_package
from tests.written.tiny_detectors import CENTERS, write_tiny_detector
from tests.written.tiny_package import write_tiny_package


def street(number: int) -> PointCloud:
    """Every sixth point of a sweep within 25 m."""
    cloud = read_cloud(sorted((SHIPPED / "pandaset_street" / "lidar").iterdir())[number])
    kept = np.flatnonzero(np.abs(cloud.xyz_m[:, :2]).max(axis=1) < 25)[::6]
    return PointCloud(cloud.xyz_m[kept], cloud.intensity[kept], 0, "lidar")


def cloud(seed: int) -> PointCloud:
    rng = np.random.default_rng(seed)
    xyz_m = (rng.uniform(-1, 1, (3000, 3)) * [6, 6, 1.5] + [6, 0, 0]).astype(np.float32)
    return PointCloud(xyz_m, rng.random(len(xyz_m), np.float32), 0, "lidar")


@pytest.fixture
def cloud_file(tmp_path: Path) -> Path:
    path = tmp_path / "clouds" / "0.bin"
    path.parent.mkdir()
    np.column_stack([cloud(1).xyz_m, cloud(1).intensity]).tofile(path)
    return path


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_demo_model_keeps_its_classes_on_a_street(tmp_path, precision, monkeypatch):
    demo = load_model_package("demo")
    clouds = iter([street(0)])
    monkeypatch.setattr("offline_training.export.export_precision.calibration_clouds", lambda _: clouds)
    package, parity = export_precision(demo, tmp_path / precision, precision, [street(1)], [tmp_path])
    assert [one.engine for one in parity] == ["fused", "onnxruntime"]
    assert all(one.is_near and one.same >= LIMITS[precision].same_class for one in parity)
    assert parity[1].difference > 1e-4  # the file's own rounding is seen
    assert package.manifest.precision == precision
    size = (package.path / "model.onnx").stat().st_size / (demo.path / "model.onnx").stat().st_size
    assert size < {"fp16": 0.51, "int8": 0.35}[precision]
    assert "## Precision" in package.card
    assert package.card.startswith(demo.card.rstrip())


def test_words_go_along_into_a_package_in_half(tmp_path):
    single = write_embedding_package(tmp_path / "fp32", image_size=(8, 8))
    package, parity = export_precision(single, tmp_path / "fp16", "fp16", [cloud(1)])
    assert package.manifest.language == single.manifest.language
    assert package.text_encoder_bytes() == single.text_encoder_bytes()
    assert package.image_encoder_bytes() == single.image_encoder_bytes()
    assert all(one.same >= 0.999 for one in parity)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_detector_keeps_its_boxes(tmp_path, precision, cloud_file):
    single = write_tiny_detector(tmp_path / "fp32", CENTERS)
    package, parity = export_precision(single, tmp_path / "out", precision, [cloud(2)], [cloud_file])
    assert package.manifest.detection == single.manifest.detection
    assert all(one.of == "boxes" and one.is_near for one in parity)


def test_a_package_that_is_too_far_from_float32_is_not_written(tmp_path, cloud_file, monkeypatch):
    single = load_model_package(write_tiny_package(tmp_path / "fp32"))
    monkeypatch.setitem(LIMITS, "int8", Limits(difference=0.0, same_class=1.0))
    with pytest.raises(BadModelPackage, match=r"found int8 by .*Nothing was written"):
        export_precision(single, tmp_path / "out", "int8", [cloud(1)], [cloud_file])
    assert not (tmp_path / "out").exists()


def test_a_package_in_lower_precision_is_not_lowered_again(tmp_path):
    single = load_model_package(write_tiny_package(tmp_path / "fp32"))
    package, _ = export_precision(single, tmp_path / "fp16", "fp16", [cloud(1)])
    with pytest.raises(BadRequest, match="expected a package in fp32, found fp16"):
        export_precision(package, tmp_path / "int8", "int8", [cloud(1)])


def test_a_number_that_is_none_is_infinitely_far(tmp_path):
    one = PrecisionParity("fused", "fp16", 1, 10, "points", float("nan"), 1.0)
    assert not one.is_near
    single = load_model_package(write_tiny_package(tmp_path / "fp32"))
    assert compare_precision(single, single, [cloud(1)])[0].difference < 1e-5


def test_clouds_out_of_range_compare_nothing(tmp_path):
    single = load_model_package(write_tiny_package(tmp_path / "fp32"))
    far = replace(cloud(1), xyz_m=cloud(1).xyz_m + np.float32(1e4))
    with pytest.raises(BadRequest, match="clouds with points in the grid"):
        compare_precision(single, single, [far])


def test_the_scale_is_the_one_that_loses_least():
    rng = np.random.default_rng(0)
    values = np.maximum(rng.normal(size=100_000), 0).astype(np.float32)
    values[0] = 50.0  # one far away from all others is clipped for their sake
    scale = _best_scale(values, 50.0)
    errors = {
        clip: np.square(np.clip(np.rint(values / (clip / STEPS)), -STEPS, STEPS) * clip / STEPS - values).sum()
        for clip in (5.0, 10.0, 20.0, 50.0)
    }
    found = np.square(np.clip(np.rint(values / scale), -STEPS, STEPS) * scale - values).sum()
    assert found <= 1.001 * min(errors.values())
    assert _best_scale(np.zeros(3, np.float32), 0.0) == 1.0


def test_every_value_a_quantized_convolution_reads_gets_a_scale(tmp_path):
    single = load_model_package(write_tiny_package(tmp_path / "fp32"))
    model = onnx.load_model_from_string(single.onnx_bytes())
    scales = calibrated_scales(single, model, inputs_to_quantize(model), iter([cloud(1), cloud(2)]))
    assert list(scales) == ["relu_1", "relu_3", "relu_5"]
    assert all(0 < scale < 1 for scale in scales.values())
    with pytest.raises(BadRequest, match="--calibration: expected clouds with points"):
        calibrated_scales(single, model, inputs_to_quantize(model), iter([]))


def test_clouds_of_calibration_are_few_and_evenly_chosen_of_files_and_bags(cloud_file):
    for number in range(1, 50):
        (cloud_file.parent / f"{number:02}.bin").symlink_to(cloud_file)
    assert len(list(calibration_clouds([cloud_file.parent]))) == MOST_CLOUDS
    bag = recording(SHIPPED, "bags/street_mcap/*.mcap")
    both = list(calibration_clouds([bag, cloud_file]))
    assert 2 <= len(both) <= MOST_CLOUDS
    assert len(both[0]) == 3000  # files first


def test_boxes_have_a_counterpart_where_class_place_and_score_are_nearly_theirs():
    boxes = Boxes3d.of(np.array([[0, 0, 0, 4, 2, 1.5, 0.1]] * 4), np.array([0, 0, 0, 1]), np.full(4, 0.5))
    moved = Boxes3d.of(np.array([[0.1, 0, 0, 4, 2, 1.5, 0.1]]), np.array([0]), np.array([0.53]))
    assert has_counterpart(boxes, moved).tolist() == [True, True, True, False]
    assert not has_counterpart(boxes, replace(moved, score=np.array([0.6], np.float32))).any()
    assert has_counterpart(boxes.taken(np.zeros(4, bool)), moved).shape == (0,)


def told(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    assert main(["export", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_the_command_lowers_a_package_by_its_name_or_folder(tmp_path, cloud_file, capsys):
    single = write_tiny_package(tmp_path / "fp32")
    line = ["export", str(single), "--clouds", str(cloud_file), "--out", str(tmp_path / "half"), "--precision", "fp16"]
    assert main(line) == 0
    assert "fp16 by onnxruntime beside float32: 1 clouds" in capsys.readouterr().out
    assert load_model_package(tmp_path / "half").manifest.precision == "fp16"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("demo --precision int8", "--calibration: expected clouds of the sensor for --precision int8"),
        ("demo --precision fp16 --calibration {cloud}", "--calibration: expected clouds"),
        ("demo", "--precision: expected fp16 or int8 for the package demo, found fp32"),
        ("demo --precision fp16 --card c.yaml", "--card: expected a checkpoint, found the package demo"),
        ("demo --precision fp16 --text-encoder", "--text-encoder: expected a checkpoint, found the package demo"),
        ("demo --precision int8 --calibration nowhere", "--calibration nowhere: expected a cloud file"),
        ("run/checkpoints --precision fp16", "--card: expected a file with name"),
    ],
)
def test_options_that_do_not_belong_together_are_told(options, expected, tmp_path, cloud_file, capsys):
    line = options.format(cloud=cloud_file).split()
    assert expected in told(capsys, *line, "--clouds", cloud_file, "--out", tmp_path / "out")


def test_an_unknown_precision_is_told_with_the_known_ones(tmp_path, cloud_file, capsys):
    with pytest.raises(SystemExit):
        told(capsys, "demo", "--precision", "bf16", "--clouds", cloud_file, "--out", tmp_path / "out")
    assert "fp32" in capsys.readouterr().err


@pytest.fixture
def trt():
    return pytest.importorskip("tensorrt_rtx", reason="TensorRT's wheel does not fit this machine")


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_tensorrt_builds_what_was_written(tmp_path, precision, cloud_file, trt):
    """Parsing alone would not do: it is the builder that refuses a weight in int8 too far from its DequantizeLinear."""
    single = load_model_package(write_tiny_package(tmp_path / "fp32"))
    package, _ = export_precision(single, tmp_path / "out", precision, [cloud(1)], [cloud_file])
    assert _build(trt, package) > 1000


def _build(trt, package: ModelPackage) -> int:
    """Bytes of the plan of a package."""
    import onnx.inliner

    model = onnx.inliner.inline_local_functions(onnx.load_model_from_string(package.onnx_bytes()))
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.ERROR))
    assert parser.parse(model.SerializeToString()), [parser.get_error(i).desc() for i in range(parser.num_errors)]
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    config.builder_optimization_level = 0
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    for number in range(network.num_inputs):
        value = network.get_input(number)
        profile.set_shape(
            value.name, *[[size if size > 0 else rows for size in value.shape] for rows in (1, 500, 1000)]
        )
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    assert plan is not None
    return int(plan.nbytes)


def test_a_package_is_not_replaced_by_its_own_form_in_lower_precision(tmp_path, capsys):
    package = write_tiny_package(tmp_path / "fp32")
    np.ones((9, 4), np.float32).tofile(tmp_path / "cloud.bin")
    command = [
        "export",
        str(package),
        "--out",
        str(package),
        "--clouds",
        str(tmp_path / "cloud.bin"),
        "--precision",
        "fp16",
    ]
    assert main([*command, "--overwrite"]) == 2
    assert "expected a folder for results alone, found" in capsys.readouterr().err
    assert load_model_package(package).manifest.precision == "fp32"
