"""Voxels and neighbour tables in torch: those of the core, row by row. On CUDA where it is, else the same code on CPU tensors."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.voxels.features import COLOUR_FEATURES, FEATURE_NAMES, ground_height_m
from lidar_vl_core.voxels.grid import VoxelGrid
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from lidar_vl_core.voxels.wide_table import wide_table
from offline_training.networks.sparse.inputs import SparseInputs, SparsePreparer
from offline_training.networks.sparse.maps import SparseMaps
from offline_training.networks.sparse.on_device.kernel_maps import device_kernel_maps
from offline_training.networks.sparse.on_device.voxels import device_features, voxelise_scans
from offline_training.networks.sparse.on_device.wide_table import device_wide_table
from offline_training.runs.backbone_config import BackboneConfig
from offline_training.runs.backbones import inputs_of_scan, preparer_of
from tests.core.voxels.test_grid import clouds, grids
from tests.core.voxels.test_kernel_maps import voxel_sets

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PLAIN = tuple(name for name in FEATURE_NAMES if name not in COLOUR_FEATURES)
RING = VoxelGrid("cylindrical", (0.5, 0.1, 0.25), (0.0, -3.141592, -3.0, 40.0, 3.141592, 3.0))
BOX = VoxelGrid("cartesian", (0.5, 0.3, 0.2), (-30.0, -30.0, -3.0, 30.0, 30.0, 3.0))


def voxels_of(batch: np.ndarray, coords: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.column_stack([batch, coords]).astype(np.int32)).to(DEVICE)


def assert_same(found: torch.Tensor, expected: np.ndarray) -> None:
    assert found.device.type == DEVICE
    assert np.array_equal(found.cpu().numpy(), expected)


@settings(max_examples=30, deadline=None)
@given(voxel_sets(), st.integers(1, 6))
def test_tables_of_all_levels_are_those_of_the_core(voxels, levels):
    batch, coords = voxels
    expected = build_kernel_maps(coords, levels, batch)
    found = device_kernel_maps(voxels_of(batch, coords), levels)
    assert found.counts == expected.counts
    for name in ("subm", "child", "up"):
        for a, b in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert_same(a, b)
    for rows, scan, xyz in zip(found.coords, expected.batch or (), expected.coords, strict=True):
        assert_same(rows, np.column_stack([scan, xyz]))


@settings(max_examples=30, deadline=None)
@given(voxel_sets())
def test_the_table_of_a_wide_convolution_is_that_of_the_core(voxels):
    batch, coords = voxels
    assert_same(device_wide_table(voxels_of(batch, coords)), wide_table(coords, batch))


def test_tables_of_a_scan_with_every_kind_of_neighbour_are_those_of_the_core():
    cells = np.sort(np.random.default_rng(0).choice(24**3, 6_000, replace=False))
    coords = np.stack(np.unravel_index(cells, (24,) * 3), axis=1).astype(np.int32)
    expected = build_kernel_maps(coords, 5)
    found = device_kernel_maps(voxels_of(np.zeros(6_000), coords), 5)
    assert all(np.array_equal(a.cpu().numpy(), b) for a, b in zip(found.subm, expected.subm, strict=True))
    assert all(np.array_equal(a.cpu().numpy(), b) for a, b in zip(found.child, expected.child, strict=True))


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([[0, 0, 0, 1], [0, 0, 0, 0]], "found row 1"),
        ([[0, 0, 0, 1], [0, 0, 0, 1]], "each once, found row 1"),
        ([[0, -1, 0, 0]], "expected numbers >= 0"),
        ([[0, 1 << 30, 1 << 30, 1 << 30]], "expected to fit 63 bits"),
    ],
)
def test_voxels_that_no_grid_gives_are_refused(rows, what):
    with pytest.raises(BadPointCloud, match=what):
        device_kernel_maps(torch.tensor(rows, dtype=torch.int32, device=DEVICE), 2)
    with pytest.raises(BadPointCloud, match="expected \\(M, 4\\) int32"):
        device_kernel_maps(torch.tensor(rows, device=DEVICE), 2)


@settings(max_examples=30, deadline=None)
@given(st.lists(clouds(), min_size=1, max_size=3), grids())
def test_voxels_of_a_batch_are_those_of_the_core(scans, grid):
    if grid.kind == "cylindrical" and DEVICE == "cuda":
        return  # CUDA has an arc tangent of its own
    arrays = [(xyz_m, np.zeros(len(xyz_m), np.float32)) for xyz_m in scans]
    expected = SparsePreparer(grid, ("one",), tables_later=True)(arrays)
    xyz_m = torch.from_numpy(np.concatenate(scans)).to(DEVICE)
    found = voxelise_scans(xyz_m, [len(scan) for scan in scans], grid)
    assert_same(found.voxels, expected.maps.voxels.numpy())
    assert_same(found.row_of_point, expected.row_of_point.numpy())
    inside = expected.row_of_point[expected.row_of_point >= 0]
    assert_same(found.points_of_voxel, np.bincount(inside.numpy(), minlength=expected.row_count))


def random_scans(seed: int, *counts: int) -> list[tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(seed)
    scans = []
    for count in counts:
        xyz_m = rng.normal(scale=(12.0, 12.0, 1.0), size=(count, 3)).astype(np.float32)
        xyz_m[::50] = np.nan
        intensity = rng.random(count).astype(np.float32)
        intensity[::7] = np.inf
        scans.append((xyz_m, intensity, rng.integers(0, 256, (count, 3)).astype(np.uint8)))
    return scans


def on_device(scans: list[tuple[np.ndarray, ...]]) -> list[tuple[torch.Tensor, ...]]:
    return [tuple(torch.from_numpy(part).to(DEVICE) for part in scan) for scan in scans]


@pytest.mark.parametrize("grid", [BOX, RING])
@pytest.mark.parametrize("counts", [(4_000, 900, 0, 1), (0,)])
def test_features_are_those_of_the_core(grid, counts):
    scans = random_scans(1, *counts)
    prepare = SparsePreparer(grid, FEATURE_NAMES)
    expected, found = prepare(scans), prepare(on_device(scans))
    assert found.features.dtype == torch.float32
    tolerance = 1e-6 if DEVICE == "cpu" or grid is BOX else 1e-4
    torch.testing.assert_close(found.features.cpu(), expected.features, rtol=0, atol=tolerance)
    exact = [place for place, name in enumerate(FEATURE_NAMES) if name not in ("log_points", *COLOUR_FEATURES)]
    if DEVICE == "cpu":
        assert torch.equal(found.features[:, exact], expected.features[:, exact])
    assert found.points_per_scan == expected.points_per_scan
    assert found.row_count == expected.row_count


@settings(max_examples=20, deadline=None)
@given(clouds())
def test_the_height_of_the_ground_is_that_of_the_core(xyz_m):
    voxels = voxelise_scans(torch.from_numpy(xyz_m), [len(xyz_m)], BOX)
    zeros = torch.zeros(len(xyz_m))
    height = device_features(torch.from_numpy(xyz_m), zeros, None, voxels, [len(xyz_m)], BOX, ("height", "one"))
    expected = SparsePreparer(BOX, ("height", "one"))([(xyz_m, zeros.numpy())]).features
    assert torch.equal(height, expected), ground_height_m(xyz_m)


def test_points_that_do_not_belong_to_the_scans_and_missing_colours_are_refused():
    with pytest.raises(BadPointCloud, match="expected \\(5, 3\\)"):
        voxelise_scans(torch.zeros(4, 3), [5], BOX)
    scans = [(xyz_m, intensity) for xyz_m, intensity, _ in on_device(random_scans(0, 20))]
    with pytest.raises(BadPointCloud, match="colours of the points"):
        SparsePreparer(BOX, ("red",))(scans)


def test_a_batch_made_for_cuda_carries_voxels_alone_until_a_convolution_reads_its_tables():
    scans = random_scans(0, 300)
    later = SparsePreparer(BOX, PLAIN, tables_later=True)(scans)
    assert "tables" not in later.maps.__dict__
    assert "tables" in SparsePreparer(BOX, PLAIN)(scans).maps.__dict__
    moved = later.to(DEVICE).maps
    assert moved.counts == SparsePreparer(BOX, PLAIN)(scans).maps.counts
    assert moved.subm[0].index.device.type == DEVICE


def test_tables_built_on_the_device_replace_those_of_the_core(monkeypatch):
    """What happens on CUDA, with a tensor that says it is there."""
    scans = random_scans(0, 300)
    expected = SparsePreparer(BOX, PLAIN)(scans).maps
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda _: True))
    found = SparseMaps(expected.voxels)
    for a, b in zip((*found.subm, *found.child), (*expected.subm, *expected.child), strict=True):
        assert torch.equal(a.index, b.index)
        assert (a.count_in, a.centre) == (b.count_in, b.centre)
        assert (a.up is None) == (b.up is None)
        assert a.up is None or torch.equal(a.up, b.up)


def test_where_a_run_is_on_cuda_its_loaders_leave_the_tables_to_it(monkeypatch):
    assert not getattr(preparer_of(BackboneConfig(device="cpu")), "tables_later", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert getattr(preparer_of(BackboneConfig()), "tables_later", None)
    assert not getattr(preparer_of(BackboneConfig(device="cpu")), "tables_later", None)


def test_one_scan_of_an_evaluation_is_prepared_on_its_device():
    xyz_m, intensity, _ = random_scans(3, 500)[0]
    inputs = inputs_of_scan(BackboneConfig(), (xyz_m, intensity), DEVICE)
    assert isinstance(inputs, SparseInputs)
    assert inputs.features.device.type == DEVICE
    assert replace(inputs.maps, form="gather").counts[0] == inputs.row_count
