"""Inputs of WaffleIron: voxels, neighbours and cells of points, and the configurations that name its grids."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import offline_training
from lidar_vl_core.foundation.config import load_config
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.voxels.flat_grids import PLANES
from offline_training.networks.waffleiron.inputs import WafflePreparer
from offline_training.runs.backbone_config import BackboneConfig
from offline_training.runs.backbones import build_backbone, preparer_of
from tests.training.networks.waffleiron.tiny_waffleiron import GRIDS, PREPARER, scan, spread_scan


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
