"""A package answers as PyTorch does, whatever the size of the cloud, or it is not written."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.session import open_session
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadModelPackage, BadRequest
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.datasets.lidar.pandaset import PandaSet
from offline_training.datasets.lidar.semantic_kitti import SemanticKitti
from offline_training.export import export_segmentation as export_module
from offline_training.export.export_segmentation import export_network
from offline_training.export.parity import MAX_DIFFERENCE, read_clouds
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.evaluate import build_network, predict
from offline_training.networks.sparse.inputs import SparseInputs
from offline_training.networks.sparse.maps import SparseMaps
from offline_training.networks.sparse.minkunet import LEVELS, MinkUNet
from tests.recordings import recording
from tests.training.export.trial_card import CARD

SETTINGS = {"out": "unused", "train": [], "stem": 16, "planes": [16, 16, 32, 32, 32, 16, 16, 16], "blocks": [1] * 8}


def config(**changes: object) -> FinetuneConfig:
    return validated(FinetuneConfig, {**SETTINGS, **changes}, "test")


def trained_a_little(run: FinetuneConfig) -> MinkUNet:
    """Norms with statistics and factors that are not 0 and 1, so that folding them matters."""
    torch.manual_seed(0)
    network = build_network(run)
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_var", "norm.weight", "norm1.weight", "norm2.weight")):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith(("running_mean", "norm.bias", "norm1.bias", "norm2.bias")):
            tensor.normal_(0.0, 0.2)
    return network.eval()


def cloud(seed: int, count: int = 3000) -> PointCloud:
    rng = np.random.default_rng(seed)
    xyz_m = (rng.normal(size=(count, 3)) * [20, 20, 1.5]).astype(np.float32)
    return PointCloud(xyz_m, rng.random(count, np.float32), 0, "lidar")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[MinkUNet, FinetuneConfig, Path]:
    run = config()
    network = trained_a_little(run)
    package, _ = export_network(network, run, tmp_path_factory.mktemp("export") / "package", [cloud(0)], CARD)
    return network, run, package.path


@pytest.mark.parametrize("engine", ["fused", "onnxruntime"])
@pytest.mark.parametrize("count", [0, 1, 2, 17, 1000])
def test_any_number_of_voxels_gives_the_scores_of_pytorch(exported, engine, count):
    network, _, path = exported
    cells = np.sort(np.random.default_rng(count).choice(30**3, count, replace=False))
    coords = np.stack(np.unravel_index(cells, (30,) * 3), axis=1).astype(np.int32)
    maps = build_kernel_maps(coords, LEVELS)
    features = np.random.default_rng(1).normal(size=(count, 4)).astype(np.float32)
    with torch.no_grad():
        expected = network(
            SparseInputs.of_voxels(torch.from_numpy(features), SparseMaps.of_coords(coords, form="gather"))
        ).numpy()
    found = open_session(load_model_package(path), engine).run(features, maps)
    assert found.shape == (count, 16)
    np.testing.assert_allclose(found, expected, atol=MAX_DIFFERENCE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"network": "minkunet_14a", "stem": None, "planes": None, "blocks": None},
        {"network": "res16unet_34c", "planes": [8] * 8, "blocks": [1, 2, 1, 1, 1, 1, 1, 1]},
        {"planes": [16, 24, 40, 48, 48, 40, 24, 24], "stem": 24},
    ],
)
def test_every_kind_of_network_can_be_exported(tmp_path, changes):
    run = config(**changes)
    _, parity = export_network(trained_a_little(run), run, tmp_path / "package", [cloud(1), cloud(2)], CARD)
    assert {one.engine for one in parity} == {"fused", "onnxruntime"}
    assert all(one.max_difference < MAX_DIFFERENCE and one.same_class >= 0.999 for one in parity)


def test_recorded_clouds_get_the_classes_of_pytorch_point_by_point(exported, test_data):
    network, run, path = exported
    segmenter = Segmenter(load_model_package(path))
    sources = [
        PandaSet(recording(test_data, "pandaset_*")),
        SemanticKitti(recording(test_data, "semantickitti"), ["00"], ["000000"]),
    ]
    for source in sources:
        sample = source[len(source) - 1]
        expected = predict(network, run, labelled_scan(sample))
        found = segmenter.segment(sample.cloud).class_id[sample.cloud.has_return()]
        assert (found == expected).mean() >= 0.999


@pytest.mark.slow
def test_a_network_that_answers_otherwise_is_not_written(tmp_path, monkeypatch):
    run = config()
    network = trained_a_little(run)
    other = trained_a_little(run)
    with torch.no_grad():
        other.head.bias.add_(torch.arange(16) * 0.01)
    right_writer = export_module.onnx_model
    monkeypatch.setattr(export_module, "onnx_model", lambda _, name: right_writer(other, name))
    with pytest.raises(BadModelPackage, match="Nothing was written"):
        export_network(network, run, tmp_path / "package", [cloud(0)], CARD)
    assert not (tmp_path / "package").exists()


@pytest.mark.slow
def test_without_a_point_to_compare_on_nothing_is_written(tmp_path):
    far = PointCloud(np.full((5, 3), 1e4, np.float32), np.zeros(5, np.float32), 0, "lidar")
    run = config()
    with pytest.raises(BadRequest, match="points in the grid"):
        export_network(trained_a_little(run), run, tmp_path / "package", [far], CARD)
    with pytest.raises(BadRequest, match="found none"):
        read_clouds([tmp_path])
    assert not (tmp_path / "package").exists()


def test_the_card_tells_what_the_network_is_and_is_not(exported):
    card = load_model_package(exported[2]).card
    for text in ("# trial", "A trial.", "nothing", "everything", "minkunet_small", "intensity"):
        assert text in card


@pytest.mark.slow
def test_a_package_says_what_the_training_sweeps_looked_like(tmp_path, test_data):
    folder = recording(test_data, "semantickitti")
    source = {"kind": "semantic_kitti", "folder": str(folder), "sequences": ["00"], "frames": ["000000"]}
    run = config(train=[source], classes="semantic_kitti19")
    package, _ = export_network(trained_a_little(run), run, tmp_path / "package", [cloud(0)], CARD)
    known = load_model_package(package.path).manifest.training_sweeps
    assert known is not None
    assert known.sweeps == 1
    points = np.count_nonzero(SemanticKitti(folder, ["00"], ["000000"])[0].cloud.has_return())
    assert known.ranges["points"] == (float(f"{points:.4g}"),) * 2
    assert 0.0 < known.ranges["confidence"][0] <= 1.0
