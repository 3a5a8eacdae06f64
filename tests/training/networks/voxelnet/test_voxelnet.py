"""VoxelNet: voxels fill as in OpenPCDet, all forms agree, and grids without sense are refused."""

import pickle

import numpy as np
import pytest
import torch

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.networks.sparse.inputs import SparseInputs
from offline_training.networks.sparse.minkunet_shapes import SHAPES
from offline_training.networks.voxelnet.inputs import VoxelNetInputs, VoxelNetPreparer
from offline_training.networks.voxelnet.voxelnet import VoxelNet
from offline_training.runs.backbone_config import BackboneConfig
from offline_training.runs.backbones import build_backbone, preparer_of
from tests.training.networks.voxelnet.voxelnet_clouds import GRID, PREPARER, RANGE, cloud

CONFIG = {"network": "voxelnet", "voxel_size": (0.1, 0.1, 0.2), "point_cloud_range": RANGE}
FEATURES = ("x", "y", "z", "intensity_255")


def test_it_has_the_parameters_of_the_published_network():
    heads = 2 * 128 * 64
    assert sum(parameter.numel() for parameter in VoxelNet(None).parameters()) + heads == 728_256


def test_heads_on_active_cells_are_normalised_before_points_read_them():
    inputs, network = PREPARER([cloud(4, 800)]), VoxelNet(None).eval()
    head = torch.nn.Linear(128, 64, bias=False)
    with torch.no_grad():
        values = torch.nn.functional.normalize(head(network.active_features(inputs)), dim=1)
        at_points = network.to_points(values, inputs)
        torch.testing.assert_close(network.to_points(values[:, :3], inputs), at_points[:, :3])
    length = at_points.norm(dim=1)
    assert at_points.shape == (inputs.row_count, 64)
    assert float(length.max()) <= 1 + 1e-5
    assert float(length.min()) < 0.999


def slow_mean_points(
    xyz_m: np.ndarray, intensity: np.ndarray, most_points: int, most_voxels: int
) -> dict[tuple, np.ndarray]:
    """Voxel to mean point, filled in the order of the points."""
    filled: dict[tuple, list] = {}
    for point, brightness in zip(xyz_m.astype(np.float64), intensity, strict=True):
        if not (np.hypot(point[0], point[1]) <= 51.2 and -5 <= point[2] < 3):
            continue
        cell = tuple(np.floor((point - RANGE[:3]) * (1 / np.array([0.1, 0.1, 0.2]))).astype(int).tolist())
        if cell not in filled and len(filled) == most_voxels:
            continue
        filled.setdefault(cell, [])
        if len(filled[cell]) < most_points:
            filled[cell].append([*point, 255.0 * brightness])
    return {cell: np.mean(points, axis=0) for cell, points in filled.items()}


@pytest.mark.parametrize(("most_points", "most_voxels"), [(10, 60_000), (2, 40), (1, 3)])
def test_voxels_fill_in_the_order_of_the_points(monkeypatch, most_points, most_voxels):
    monkeypatch.setattr("offline_training.networks.voxelnet.inputs.MOST_POINTS", most_points)
    monkeypatch.setattr("offline_training.networks.voxelnet.inputs.MOST_VOXELS", most_voxels)
    rng = np.random.default_rng(5)
    xyz_m = (rng.normal(0, 0.15, (600, 3)) + rng.integers(-1, 2, (600, 1)) * (30, 30, 0)).astype(np.float32)
    xyz_m[::50] = (51.0, 20.0, 0.0), *[(np.nan, 0, 0)] * 11  # beyond the circle, and not finite
    intensity = rng.uniform(0, 1, 600).astype(np.float32)
    coords, features, inside = PREPARER._mean_points(xyz_m, intensity)
    expected = slow_mean_points(xyz_m, intensity, most_points, most_voxels)
    assert [tuple(cell) for cell in coords.tolist()] == sorted(expected)
    np.testing.assert_allclose(features, [expected[cell] for cell in sorted(expected)], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(np.flatnonzero(~inside) % 50, 0)


@pytest.mark.slow
def test_points_outside_have_no_row_and_batches_equal_single_scans():
    scans = [cloud(6, 300), (np.array([[60, 0, 0]], np.float32), np.zeros(1, np.float32)), cloud(7, 200)]
    joined, network = PREPARER(scans), VoxelNet(3).eval()
    assert joined.points_per_scan == (300, 1, 200)
    assert joined.row_of_point[300] == -1
    assert int(joined.row_of_point.max()) == joined.row_count - 1
    with torch.no_grad():
        alone = torch.cat([network(PREPARER([scan])) for scan in scans])
        torch.testing.assert_close(network(joined), alone)


@pytest.mark.parametrize("scans", [[], [(np.empty((0, 3), np.float32), np.empty(0, np.float32))]])
def test_no_points_give_no_rows_and_no_error(scans):
    if not scans:
        scans = [(np.full((4, 3), np.nan, np.float32), np.zeros(4, np.float32))]
    inputs = PREPARER(scans)
    scores = VoxelNet(5)(inputs)
    assert scores.shape == (0, 5)
    scores.sum().backward()


def test_all_forms_agree_with_gradients_and_inputs_can_be_sent():
    network, scans = VoxelNet(4), [cloud(8, 400)]
    results = []
    for form in ("gather", "offset", "auto", "torchsparse"):
        inputs = pickle.loads(pickle.dumps(VoxelNetPreparer(GRID, 255.0, form)))(scans).to("cpu")
        network.zero_grad()
        network.eval()(inputs).square().sum().backward()
        results.append(
            [network(inputs).detach(), network.input.weight.grad.clone(), network.output.weight.grad.clone()]
        )
    for result in results[1:]:
        for found, expected in zip(result, results[0], strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_inputs_of_another_network_are_refused():
    inputs = preparer_of(BackboneConfig(features=("one",)))([cloud(9, 10)])
    assert isinstance(inputs, SparseInputs)
    with pytest.raises(TypeError, match="expected VoxelNetInputs, found SparseInputs"):
        VoxelNet(None).point_features(inputs)


def test_the_configuration_builds_it():
    config = BackboneConfig(**CONFIG, features=FEATURES)
    inputs = preparer_of(config, "offset")([cloud(1, 50)])
    assert isinstance(inputs, VoxelNetInputs)
    assert build_backbone(config, 16)(inputs).shape == (inputs.row_count, 16)
    unscaled = preparer_of(BackboneConfig(**CONFIG, features=("x", "y", "z", "intensity")))([cloud(1, 50)])
    torch.testing.assert_close(unscaled.features[:, 3] * 255, inputs.features[:, 3])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"features": ("intensity", "height")}, "features: expected .* for voxelnet"),
        (
            {"grid_kind": "cylindrical", "point_cloud_range": (0.0, -3.2, -5.0, 51.2, 3.2, 3.0)},
            "expected a cartesian grid",
        ),
        ({"point_cloud_range": (0.0, -40.0, -3.0, 70.4, 40.0, 1.0)}, "over a square around the sensor"),
        ({"point_cloud_range": (-51.2, -51.2, -5.0, 51.2, 51.2, 5.0)}, r"25 to 40 along z, found \(1024, 1024, 50\)"),
        ({"voxel_size": (0.3, 0.3, 0.2)}, "a multiple of 8 cells"),
    ],
)
def test_grids_and_options_without_sense_are_refused(changed, told):
    config = BackboneConfig(**{**CONFIG, "features": FEATURES, **changed})
    with pytest.raises(BadConfig, match=told):
        _ = preparer_of(config), build_backbone(config, 2)


def test_every_network_of_the_seam_gives_active_features_and_points():
    config = BackboneConfig(network="minkunet_small", features=("one",))
    assert config.network in SHAPES
    network, inputs = build_backbone(config, None).eval(), preparer_of(config)([cloud(1, 40)])
    with torch.no_grad():
        features = network.point_features(inputs)
        torch.testing.assert_close(network.to_points(network.active_features(inputs), inputs), features)
