"""Inputs of detectors: voxels fill as OpenPCDet's, and rows stand where its dense map has them."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.voxels.encoder_tables import map_index
from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.networks.detection.bird_eye_map import bird_eye_map
from offline_training.networks.detection.inputs import DetectorPreparer, detector_map_shape
from tests.training.networks.detection.made_scans import GRID, PREPARER, SCANS

KITTI = VoxelGrid("cartesian", (0.05, 0.05, 0.1), (0.0, -40.0, -3.0, 70.4, 40.0, 1.0))


def slow_map(rows: torch.Tensor, cells: np.ndarray, scans: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Dense (S, C, D, H, W), then heights folded into channels, cell by cell."""
    width, height, depth = shape
    dense = torch.zeros(scans, rows.shape[1], depth, height, width, dtype=rows.dtype)
    for row, (scan, x, y, z) in enumerate(cells.tolist()):
        dense[scan, :, z, y, x] = rows[row]
    return dense.view(scans, -1, height, width)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 12), st.tuples(*[st.integers(1, 4)] * 3))
def test_the_map_has_each_row_in_its_cell_and_zeros_elsewhere(seed, count, shape):
    rng = np.random.default_rng(seed)
    keys = rng.choice(2 * int(np.prod(shape)), min(count, 2 * int(np.prod(shape))), replace=False)
    cells = np.stack(np.unravel_index(np.sort(keys), (2, *shape)), axis=1)
    rows = torch.from_numpy(rng.standard_normal((len(cells), 3))).requires_grad_()
    index = torch.from_numpy(map_index(cells, 2, shape).astype(np.int64))
    expected = slow_map(rows, cells, 2, shape)
    found = bird_eye_map(rows, index)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    weight = torch.from_numpy(rng.standard_normal(found.shape))
    (gradient,) = torch.autograd.grad((found * weight).sum(), rows, retain_graph=True)
    (slow_gradient,) = torch.autograd.grad((expected * weight).sum(), rows)
    torch.testing.assert_close(gradient, slow_gradient, rtol=0, atol=0)


def test_the_maps_of_kitti_and_nuscenes_have_the_published_sizes():
    assert detector_map_shape(KITTI) == (176, 200, 2)
    nuscenes = VoxelGrid("cartesian", (0.1, 0.1, 0.2), (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0))
    assert detector_map_shape(nuscenes) == (128, 128, 2)
    fine = VoxelGrid("cartesian", (0.075, 0.075, 0.2), (-54.0, -54.0, -5.0, 54.0, 54.0, 3.0))
    assert detector_map_shape(fine) == (180, 180, 2)


def test_features_are_mean_points_and_time_comes_behind_the_intensity():
    xyz_m = np.array([[1.01, 0, 0], [1.03, 0, 0], [5, 5, 1], [99, 0, 0], [np.nan, 0, 0]], np.float32)
    intensity, time_s = np.array([0.2, 0.4, 1, 1, 1], np.float32), np.array([0, 0.1, 0.45, 0, 0], np.float32)
    preparer = DetectorPreparer(GRID, 5, 100, intensity_scale=255.0, with_time=True)
    features = preparer([(xyz_m, intensity, time_s)]).features
    torch.testing.assert_close(features, torch.tensor([[1.02, 0, 0, 76.5, 0.05], [5, 5, 1, 255, 0.45]]))
    without = DetectorPreparer(GRID, 5, 100, intensity_scale=255.0)([(xyz_m, intensity, time_s)]).features
    torch.testing.assert_close(without, features[:, :4])
    with pytest.raises(ValueError, match="expected xyz_m, intensity, time_s, found 2"):
        preparer([(xyz_m, intensity)])


def test_a_voxel_counts_its_first_points_and_a_scan_its_first_voxels():
    xyz_m = np.array([[1.01, 0, 0], [1.09, 0, 0], [5, 5, 1], [3, 3, 0]], np.float32)
    intensity = np.array([0.2, 0.8, 1, 0.5], np.float32)
    inputs = DetectorPreparer(GRID, 1, 2)([(xyz_m, intensity)])
    torch.testing.assert_close(inputs.features, torch.tensor([[1.01, 0, 0, 0.2], [5, 5, 1, 1]]))


def test_scans_of_a_batch_do_not_see_each_other_and_empty_ones_are_empty():
    nothing = (np.empty((0, 3), np.float32), np.empty(0, np.float32))
    joined = PREPARER([SCANS[0], nothing, SCANS[1]])
    alone = [PREPARER([scan]) for scan in (SCANS[0], SCANS[1])]
    torch.testing.assert_close(joined.features, torch.cat([inputs.features for inputs in alone]))
    count = int(alone[0].map_index.max())
    assert joined.map_index.shape == (3, 2, 16, 16)
    assert bool((joined.map_index[1] == joined.map_index.max()).all())
    active = alone[1].map_index < alone[1].map_index.max()
    torch.testing.assert_close(joined.map_index[2:][active], alone[1].map_index[active] + count)


def test_inputs_are_picklable_and_can_be_sent():
    inputs = pickle.loads(pickle.dumps(PREPARER))(SCANS).to("cpu")
    torch.testing.assert_close(inputs.map_index, PREPARER(SCANS).map_index)


@pytest.mark.parametrize(
    ("kind", "size", "reach"),
    [
        ("cartesian", (0.1, 0.1, 0.2), (0, 0, 0, 12.9, 12.8, 8)),
        ("cartesian", (0.1, 0.1, 0.2), (0, 0, 0, 12.8, 12.8, 2)),
        ("cylindrical", (0.1, 0.1, 0.2), (0, 0, 0, 12.8, 0.8, 8)),
    ],
)
def test_a_grid_without_a_whole_map_is_refused(kind, size, reach):
    with pytest.raises(BadConfig, match="expected a cartesian grid with a multiple of 8 cells along x and y"):
        DetectorPreparer(VoxelGrid(kind, size, reach), 5, 100)
