"""WaffleIron: sizes as described, mixing against slow loops, and rows that belong to their points."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import offline_training
from lidar_vl_core.foundation.config import load_config
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.voxels.flat_grids import PLANES, FlatGrids
from offline_training.networks.waffleiron.inputs import WaffleInputs, WafflePreparer
from offline_training.networks.waffleiron.waffleiron import FlatGrid, SpatialMix, WaffleIron
from offline_training.networks.waffleiron.waffleiron_shapes import SHAPES, WaffleIronShape
from offline_training.runs.backbone_config import BackboneConfig
from offline_training.runs.backbones import build_backbone, preparer_of

TINY = WaffleIronShape(layers=4, channels=8, drop_path=0.0)
GRIDS = FlatGrids((0.1, 0.1, 0.1), (-10.0, -10.0, -4.0, 10.0, 10.0, 4.0), 1.0, None)
PREPARER = WafflePreparer(GRIDS)


def scan(count: int, seed: int = 0, reach_m: float = 9.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    xyz_m = rng.uniform(-reach_m, reach_m, (count, 3)) * (1, 1, 0.3)
    return xyz_m.astype(np.float32), rng.uniform(0, 1, count).astype(np.float32)


def spread_scan(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One point in each of `count` voxels."""
    rng = np.random.default_rng(seed)
    cell = rng.choice(180 * 180 * 60, count, replace=False)
    xyz_m = np.stack(np.unravel_index(cell, (180, 180, 60)), axis=1) * 0.1 - (9, 9, 3) + 0.05
    return (xyz_m + rng.uniform(-0.03, 0.03, (count, 3))).astype(np.float32), rng.uniform(0, 1, count).astype(
        np.float32
    )


# Sizes


@pytest.mark.parametrize(("name", "total"), [("waffleiron_48_384", 15_119_636), ("waffleiron_48_256", 6_835_732)])
def test_the_networks_have_the_parameters_of_their_description(name, total):
    layers, width = SHAPES[name].layers, SHAPES[name].channels
    norm, scale = 2 * width, width
    spatial = norm + 2 * (9 * width + width) + scale  # two depthwise 3x3 with bias
    channel = norm + 2 * (width * width + width) + scale
    own = 2 * 5 + 5 * width + width
    neighbours = 2 * 5 + 5 * width + norm + width * width
    merge = 2 * width * width + width
    with torch.device("meta"):
        network = WaffleIron(SHAPES[name], None)
    assert own + neighbours + merge + layers * (spatial + channel) == total
    assert sum(parameter.numel() for parameter in network.parameters()) == total


@pytest.mark.parametrize(
    ("reach_m", "cell_m", "cells"),
    [
        ((-50, -50, -5, 50, 50, 5), 0.6, (166, 166, 16)),  # nuScenes
        ((-50, -50, -3, 50, 50, 2), 0.4, (250, 250, 12)),  # SemanticKITTI
        ((-64, -64, -8, 64, 64, 8), 0.5, (256, 256, 32)),  # ScaLR
    ],
)
def test_grids_have_the_cells_of_the_published_configurations(reach_m, cell_m, cells):
    assert replace(GRIDS, point_cloud_range_m=tuple(map(float, reach_m)), cell_m=cell_m).cells_per_axis == cells


# The preparer


def test_every_finite_point_reads_the_first_point_of_its_voxel():
    xyz_m = np.array([[0.01, 0, 0], [0.09, 0, 0], [0.11, 0, 0], [np.nan, 0, 0], [30, 0, 0], [0.02, 0, 0]], np.float32)
    inputs = PREPARER([(xyz_m, np.arange(6, dtype=np.float32))])
    row = inputs.row_of_point
    assert inputs.row_count == len(inputs.features) == 3
    assert row[3] == -1
    assert inputs.features[row[[0, 1, 2, 4, 5]], 0].tolist() == [0, 0, 2, 4, 0]  # the intensity tells the point
    radius_m = inputs.features[:, 1:4].norm(dim=1)
    torch.testing.assert_close(inputs.features[:, 4], radius_m)


@settings(max_examples=20)
@given(seed=st.integers(0, 999), count=st.integers(1, 60), most=st.integers(1, 60))
def test_points_of_dropped_voxels_read_the_nearest_kept_point(seed, count, most):
    xyz_m, intensity = spread_scan(count, seed)
    inputs = WafflePreparer(replace(GRIDS, max_points=most))([(xyz_m, intensity)])
    kept_xyz_m = inputs.features[:, 1:4].numpy()
    assert inputs.row_count == min(count, most)
    distance_m = np.linalg.norm(xyz_m[:, None] - kept_xyz_m, axis=2)
    np.testing.assert_allclose(distance_m[np.arange(count), inputs.row_of_point], distance_m.min(axis=1), atol=1e-6)


def test_neighbours_are_the_nearest_others_and_points_alone_have_themselves():
    xyz_m, intensity = spread_scan(80)
    inputs = PREPARER([(xyz_m, intensity), spread_scan(3, seed=1), spread_scan(1, seed=2)])
    for scan_index in range(3):
        rows = torch.nonzero(inputs.scan_of_row == scan_index)[:, 0]
        positions = inputs.features[rows, 1:4]
        distance_m = torch.cdist(positions, positions).fill_diagonal_(torch.inf)
        others = min(16, len(rows) - 1)
        nearest = rows[distance_m.argsort(dim=1)[:, :others]]
        assert torch.equal(inputs.neighbours[rows, :others].sort(dim=1)[0], nearest.sort(dim=1)[0])
        assert torch.equal(inputs.neighbours[rows, others:], rows[:, None].expand(-1, 16 - others))


def test_points_lie_in_the_cells_of_their_own_scan_and_beyond_the_range_at_the_border():
    scans = [scan(50, 0), (np.array([[99, -99, 0.5]], np.float32), np.zeros(1, np.float32))]
    inputs = PREPARER(scans)
    for plane, (first, second) in enumerate(PLANES):
        rows, columns = inputs.grid_shapes[plane]
        cell = inputs.cells[plane]
        assert torch.equal(cell // (rows * columns), inputs.scan_of_row)
        position = inputs.features[:, 1:4] - torch.tensor(GRIDS.point_cloud_range_m[:3])
        expected = position.floor().clamp(min=0).long()  # cells of 1 m
        expected = torch.minimum(expected, torch.tensor(GRIDS.cells_per_axis) - 1)
        assert torch.equal(cell % (rows * columns), expected[:, first] * columns + expected[:, second])


def test_a_preparer_can_be_sent_to_another_process():
    inputs = pickle.loads(pickle.dumps(PREPARER))([scan(20)])
    assert torch.equal(inputs.features, PREPARER([scan(20)]).features)


# The network


def slow_spatial_mix(mix: SpatialMix, x: torch.Tensor, inputs: WaffleInputs, plane: int) -> torch.Tensor:
    """Cell by cell and scan by scan."""
    normed = mix.norm(x)
    rows, columns = inputs.grid_shapes[plane]
    answer = torch.zeros_like(x)
    for scan_index in range(inputs.scan_count):
        grid = x.new_zeros(1, x.shape[1], rows, columns)
        members: dict[int, list[int]] = {}
        for row in torch.nonzero(inputs.scan_of_row == scan_index)[:, 0].tolist():
            members.setdefault(int(inputs.cells[plane, row]) - scan_index * rows * columns, []).append(row)
        for cell, points in members.items():
            grid[0, :, cell // columns, cell % columns] = normed[points].mean(dim=0)
        for conv in (mix.conv1, mix.conv2):
            width = x.shape[1]
            grid = torch.cat(
                [
                    F.conv2d(grid[:, c : c + 1], conv.weight[c : c + 1], conv.bias[c : c + 1], padding=1)
                    for c in range(width)
                ],
                dim=1,
            )
            grid = grid.relu() if conv is mix.conv1 else grid
        for cell, points in members.items():
            answer[points] = grid[0, :, cell // columns, cell % columns] * mix.scale
    return answer


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_spatial_mix_equals_a_loop_over_cells(plane):
    torch.manual_seed(0)
    inputs = PREPARER([scan(200, 0), scan(90, 1)])
    mix = SpatialMix(6).eval()
    mix.norm.running_mean.normal_()
    x = torch.randn(inputs.row_count, 6)
    torch.testing.assert_close(mix(x, FlatGrid.of(inputs, plane)), slow_spatial_mix(mix, x, inputs, plane))


@pytest.mark.parametrize("training", [False, True])
def test_a_permutation_of_the_points_permutes_the_answer(training):
    torch.manual_seed(0)
    network = WaffleIron(TINY, 5).train(training).double()
    xyz_m, intensity = spread_scan(150)
    order = np.random.default_rng(5).permutation(150)

    def answer(xyz_m: np.ndarray, intensity: np.ndarray) -> torch.Tensor:
        inputs = PREPARER([(xyz_m, intensity)])
        return network(replace(inputs, features=inputs.features.double()))[inputs.row_of_point]

    torch.testing.assert_close(answer(xyz_m[order], intensity[order]), answer(xyz_m, intensity)[order])


def test_permuted_rows_give_permuted_rows():
    torch.manual_seed(0)
    network = WaffleIron(TINY, 5).eval()
    inputs = PREPARER([scan(100, 0), scan(60, 1)])
    order = torch.randperm(inputs.row_count)
    place = torch.argsort(order)
    permuted = replace(
        inputs,
        features=inputs.features[order],
        neighbours=place[inputs.neighbours[order]],
        cells=inputs.cells[:, order],
        scan_of_row=inputs.scan_of_row[order],
    )
    torch.testing.assert_close(network(permuted), network(inputs)[order])


def test_scans_of_a_batch_do_not_touch_each_other():
    torch.manual_seed(0)
    network = WaffleIron(TINY, 5).eval()
    first, second = scan(100, 0), scan(60, 1)
    together = PREPARER([first, second])
    alone = network(PREPARER([second]))
    torch.testing.assert_close(network(together)[together.scan_of_row == 1], alone)


@pytest.mark.parametrize("counts", [(0,), (1,), (0, 5), (0, 0)])
def test_scans_of_few_points_or_none_pass_in_both_modes(counts):
    network = WaffleIron(TINY, 5)
    inputs = PREPARER([scan(count, seed) for seed, count in enumerate(counts)])
    for training in (True, False):
        scores = network.train(training)(inputs)
        assert scores.shape == (inputs.row_count, 5)
        assert scores.isfinite().all()


def test_dropped_paths_leave_out_branches_of_scans_and_keep_the_mean():
    network = WaffleIron(replace(TINY, drop_path=0.2), None)
    inputs = replace(PREPARER([scan(3)]), points_per_scan=(1,) * 1000)  # as if of a thousand scans
    paths = network._paths(inputs)
    assert paths.shape == (TINY.layers, 2, 1000)
    assert paths.unique().tolist() == [0.0, 1.25]
    assert abs(paths.mean().item() - 1) < 0.02
    assert torch.equal(network.eval()._paths(inputs), torch.ones(paths.shape))


def test_the_same_batch_drops_the_same_paths_and_another_batch_others():
    network = WaffleIron(replace(TINY, layers=30, drop_path=0.5), 3)
    inputs = PREPARER([scan(40, 0)])
    assert torch.equal(network(inputs), network(PREPARER([scan(40, 0)])))
    assert not torch.equal(network._paths(inputs), network._paths(PREPARER([scan(40, 1)])))


def test_a_scan_whose_paths_are_all_dropped_keeps_its_embedding():
    torch.manual_seed(0)
    network = WaffleIron(replace(TINY, drop_path=1 - 1e-9), None).train()
    inputs = PREPARER([scan(40)])
    torch.testing.assert_close(network(inputs), network.embedding(inputs.features, inputs.neighbours))


@pytest.mark.slow
def test_it_learns_one_scan():
    torch.manual_seed(0)
    network = WaffleIron(TINY, 3)
    inputs = PREPARER([scan(150)])
    height_m = inputs.features[:, 3]
    target = (height_m > -1).long() + (inputs.features[:, 1] > 0).long()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(network(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_inputs_of_another_network_are_refused():
    config = BackboneConfig(network="minkunet_small")
    with pytest.raises(TypeError, match="expected WaffleInputs, found SparseInputs"):
        WaffleIron(TINY, 5)(preparer_of(config)([scan(20)]))


# The configuration


def test_a_configuration_names_the_network_and_its_grids():
    config = BackboneConfig(
        network="waffleiron_small",
        voxel_size=(0.1, 0.1, 0.1),
        point_cloud_range=(-50.0, -50.0, -5.0, 50.0, 50.0, 5.0),
        waffle_max_points=100,
    )
    inputs = preparer_of(config)([scan(300)])
    network = build_backbone(config, 16)
    assert inputs.grid_shapes == ((166, 166), (166, 16), (166, 16))
    assert network(inputs).shape == (100, 16)
    assert build_backbone(config, None)(inputs).shape == (100, network.feature_channels)


def test_the_committed_configuration_has_the_published_grids():
    folder = Path(offline_training.__file__).parent / "configs"
    preparer = preparer_of(load_config(BackboneConfig, folder / "backbones/waffleiron.yaml"))
    assert preparer.grids.shapes == ((166, 166), (166, 16), (166, 16))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"grid_kind": "cylindrical"}, "grid_kind: expected cartesian for waffleiron_small, found 'cylindrical'"),
        ({"waffle_cell_m": 20.0}, "waffle_cell_m: expected cells above 0 that fit"),
        ({"waffle_cell_m": 0.0}, "waffle_cell_m: expected cells above 0"),
        ({"waffle_max_points": 0}, "waffle_max_points: expected at least 1"),
        ({"voxel_size": (0.0, 0.1, 0.1)}, "voxel_size: expected numbers above 0"),
    ],
)
def test_configurations_without_a_grid_are_refused(wrong, message):
    with pytest.raises(BadConfig, match=message):
        preparer_of(BackboneConfig(network="waffleiron_small", **wrong))
