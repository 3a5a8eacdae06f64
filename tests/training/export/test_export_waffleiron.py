"""WaffleIron as a package: its points have PyTorch's scores, a robot labels them, and TensorRT would take its file."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.sparse_model.flat_form import file_inputs
from lidar_vl_core.sparse_model.flat_graph import read_flat_graph
from lidar_vl_core.tasks.point_network import open_point_network
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.voxels.cell_sums import cell_sums
from offline_training.datasets.augment.point_augment import LabelledScan
from offline_training.export.export_segmentation import export, export_network
from offline_training.export.waffleiron_onnx import waffleiron_onnx
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.evaluate import build_network, predict
from offline_training.networks.waffleiron.waffleiron import WaffleIron
from offline_training.networks.waffleiron.waffleiron_shapes import WaffleIronShape
from offline_training.runs.backbones import flat_grids_of, preparer_of
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
from tests.training.export.trial_card import CARD
from tests.written.refused_operators import refused_operators

RUN = validated(
    FinetuneConfig,
    {
        "out": "unused", "train": [], "network": "waffleiron_small", "voxel_size": [0.2, 0.2, 0.2],
        "point_cloud_range": [-12.0, -12.0, -3.0, 12.0, 12.0, 3.0], "waffle_cell_m": 0.8, "waffle_max_points": 1800,
    },
    "test",
)  # fmt: skip


def trained_a_little() -> WaffleIron:
    """Norms, shifts and scales that are not 0 and 1, so that folding them matters."""
    torch.manual_seed(0)
    network = build_network(RUN)
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_var", "norm.weight", "norm1.weight")):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith(("running_mean", "bias")):
            tensor.normal_(0.0, 0.2)
        elif name.endswith("scale"):
            tensor.uniform_(0.05, 0.3)
    return network.eval()


def cloud(count: int = 2500, seed: int = 0) -> PointCloud:
    """Some points beyond the grids, some without a return, many in one cell."""
    rng = np.random.default_rng(seed)
    xyz_m = (rng.normal(size=(count, 3)) * (7, 7, 1.5)).astype(np.float32)
    xyz_m[: count // 8] = rng.uniform(0, 2.4, (count // 8, 3))
    xyz_m[::50] = np.nan
    return PointCloud(xyz_m, rng.random(count, np.float32), 0, "lidar")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[WaffleIron, Path]:
    network = trained_a_little()
    package, parity = export_network(network, RUN, tmp_path_factory.mktemp("export") / "package", [cloud()], CARD)
    assert [one.engine for one in parity] == ["onnxruntime"]
    assert parity[0].max_difference < 1e-4
    assert parity[0].same_class == 1.0
    return network, package.path


@pytest.mark.parametrize("count", [0, 1, 2, 30, 1000, 4000])
def test_any_number_of_points_has_the_scores_of_pytorch(exported, count):
    network, path = exported
    seen = cloud(count, seed=count)
    inputs = preparer_of(RUN)([(seen.measured_xyz_m(), seen.intensity)])
    with torch.no_grad():
        expected = network(inputs).numpy()
    found, row_of_point, _ = open_point_network(load_model_package(path), "auto", 1).run(seen)
    np.testing.assert_array_equal(row_of_point, inputs.row_of_point.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("gelu", [False, True])
def test_layer_norms_and_gelu_stand_in_the_file_which_is_taken_and_give_the_scores_of_pytorch(gelu):
    torch.manual_seed(1)
    network = WaffleIron(WaffleIronShape(4, 16, 0.0, layer_norm=True, gelu=gelu), 5).eval()
    for name, tensor in network.state_dict().items():
        if name.endswith(("norm.weight", "norm.bias", "scale")):
            tensor.uniform_(0.2, 1.2)
    grids, seen = flat_grids_of(RUN), cloud(600)
    rows = grids.rows(seen.measured_xyz_m(), seen.intensity)
    sums = [cell_sums(cell, shape) for cell, shape in zip(rows.cells, grids.shapes, strict=True)]
    model = waffleiron_onnx(network, grids.shapes, "trial")
    assert read_flat_graph(model).out_channels == 5  # as a package is opened
    assert ("Erf" in {node.op_type for node in model.graph.node}) == gelu
    session = open_onnxruntime(model.SerializeToString(), 1)
    with torch.no_grad():
        inputs = preparer_of(RUN)([(seen.measured_xyz_m(), seen.intensity)])
        expected = network.head(network.point_features(inputs)).numpy()
    np.testing.assert_allclose(session.run(None, file_inputs(rows, sums))[0], expected, atol=1e-4)


def test_a_segmenter_labels_its_points_as_training_does(exported):
    network, path = exported
    labels = Segmenter(load_model_package(path)).segment(cloud())
    met = cloud().has_return()
    scan = LabelledScan(cloud().xyz_m[met], cloud().intensity[met], np.zeros(met.sum(), np.uint8))
    np.testing.assert_array_equal(labels.class_id[met], predict(network, RUN, scan))
    assert len(np.unique(labels.class_id)) > 3


def test_a_checkpoint_becomes_a_package_by_the_same_function(exported, tmp_path):
    tensors = {f"network.{name}": tensor for name, tensor in exported[0].state_dict().items()}
    checkpoint = save_checkpoint(tmp_path / "run", Checkpoint(0, tensors, RUN.model_dump(mode="json"), {}))
    xyz_m, intensity = cloud().measured_xyz_m(), cloud().intensity
    np.column_stack([np.nan_to_num(xyz_m), intensity]).astype(np.float32).tofile(tmp_path / "cloud.bin")
    package, parity = export(checkpoint, tmp_path / "package", [tmp_path / "cloud.bin"], CARD)
    assert package.manifest.network == "waffleiron"
    assert package.manifest.waffleiron.waffle_max_points == 1800
    assert all(one.is_near for one in parity)
    assert "Network: waffleiron_small, " in package.card
    assert "at most 1800 of them" in package.card


def test_its_file_has_no_operator_that_tensorrt_refuses(exported):
    assert refused_operators(onnx.load(exported[1] / "model.onnx")) == []


def test_a_network_without_a_head_is_refused():
    with pytest.raises(TypeError, match="expected a network with a head"):
        waffleiron_onnx(WaffleIron(WaffleIronShape(3, 4, 0.0), None), flat_grids_of(RUN).shapes, "trial")
