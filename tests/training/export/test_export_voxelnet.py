"""VoxelNet for points as a package: its points have PyTorch's scores by every engine, and a robot labels them."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.manifest import GridSpec
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.tasks.point_network import open_point_network
from lidar_vl_core.tasks.segmenter import Segmenter
from offline_training.datasets.augment.point_augment import LabelledScan
from offline_training.export.description import package_manifest
from offline_training.export.detector_onnx import voxelnet_onnx
from offline_training.export.export_segmentation import export, export_network
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.evaluate import build_network, predict
from offline_training.runs.backbones import preparer_of
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
from tests.training.export.trial_card import CARD
from tests.written.refused_operators import refused_operators

RUN = validated(
    FinetuneConfig,
    {
        "out": "unused", "train": [], "network": "voxelnet", "features": ["x", "y", "z", "intensity_255"],
        "voxel_size": [0.4, 0.4, 0.4], "point_cloud_range": [-16.0, -16.0, -8.0, 16.0, 16.0, 8.0],
    },
    "test",
)  # fmt: skip


def trained_a_little() -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_network(RUN)
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_var", "norm.weight")):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith(("running_mean", "bias")):
            tensor.normal_(0.0, 0.2)
    return network.eval()


def cloud(count: int = 2500, seed: int = 0) -> PointCloud:
    """Some points beyond the range, some without a return."""
    rng = np.random.default_rng(seed)
    xyz_m = (rng.normal(size=(count, 3)) * (7, 7, 1.5)).astype(np.float32)
    xyz_m[::50] = np.nan
    return PointCloud(xyz_m, rng.random(count, np.float32), 0, "lidar")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, Path]:
    network = trained_a_little()
    package, parity = export_network(network, RUN, tmp_path_factory.mktemp("export") / "package", [cloud()], CARD)
    assert [one.engine for one in parity] == ["fused", "onnxruntime"]
    assert all(one.max_difference < 1e-4 and one.same_class == 1.0 for one in parity)
    return network, package.path


@pytest.mark.parametrize("engine", ["fused", "onnxruntime"])
@pytest.mark.parametrize("count", [0, 1, 30, 1000])
def test_any_number_of_points_has_the_scores_of_pytorch(exported, engine, count):
    network, path = exported
    seen = cloud(count, seed=count)
    inputs = preparer_of(RUN, "gather")([(seen.measured_xyz_m(), seen.intensity)])
    with torch.no_grad():
        expected = network(inputs).numpy()
    found, row_of_point, _ = open_point_network(load_model_package(path), engine, 1).run(seen)
    np.testing.assert_array_equal(row_of_point, inputs.row_of_point.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_segmenter_labels_its_points_as_training_does(exported):
    network, path = exported
    segmenter = Segmenter(load_model_package(path))
    segmenter.warm_up()
    labels = segmenter.segment(cloud())
    met = cloud().has_return()
    scan = LabelledScan(cloud().xyz_m[met], cloud().intensity[met], np.zeros(met.sum(), np.uint8))
    expected = predict(network, RUN, scan)
    np.testing.assert_array_equal(labels.class_id[met], expected)
    assert (labels.class_id[~met] == 255).all()
    assert 0 < (labels.class_id == 255).sum() < len(met)
    assert set(labels.timing_ms) == {"voxels", "maps", "network", "labels", "total"}
    nothing = segmenter.segment(PointCloud(np.full((3, 3), 500, np.float32), np.zeros(3, np.float32), 0, "lidar"))
    assert (nothing.class_id == 255).all()
    with pytest.raises(BadModelPackage, match="expected a package of task embedding"):
        segmenter.embeddings(cloud())


def test_a_checkpoint_becomes_a_package_by_the_same_function(exported, tmp_path):
    tensors = {f"network.{name}": tensor for name, tensor in exported[0].state_dict().items()}
    checkpoint = save_checkpoint(tmp_path / "run", Checkpoint(0, tensors, RUN.model_dump(mode="json"), {}))
    xyz_m, intensity = cloud().measured_xyz_m(), cloud().intensity
    np.column_stack([np.nan_to_num(xyz_m), intensity]).astype(np.float32).tofile(tmp_path / "cloud.bin")
    package, parity = export(checkpoint, tmp_path / "package", [tmp_path / "cloud.bin"], CARD)
    assert package.manifest.network == "voxelnet"
    assert all(one.is_near for one in parity)
    assert "Network: voxelnet, " in package.card


def test_its_file_has_no_operator_that_tensorrt_refuses(exported):
    assert refused_operators(onnx.load(exported[1] / "model.onnx")) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"levels": 5}, "levels 5, found 4"),
        ({"network": None}, "expected inputs features, subm"),
        (
            {"grid": GridSpec(kind="cartesian", voxel_size=(1, 1, 1), point_cloud_range=(0, 0, 0, 8, 8, 8))},
            "a square around",
        ),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(changes, told, tmp_path):
    manifest = package_manifest(RUN, RUN.class_table, CARD).model_copy(update=changes)
    with pytest.raises(BadModelPackage, match=told):
        write_model_package(tmp_path / "package", voxelnet_onnx(trained_a_little(), "trial"), manifest, "card")
    assert not list(tmp_path.iterdir())
