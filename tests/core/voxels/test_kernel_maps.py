"""Neighbour tables: equal to a dictionary look-up, for any set of voxels."""

import itertools
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.voxels import kernel_maps
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise
from lidar_vl_core.voxels.kernel_maps import KernelMaps, build_kernel_maps, coarser_cells
from lidar_vl_core.voxels.wide_table import wide_table
from tests.recordings import recording

OFFSETS = list(itertools.product((-1, 0, 1), repeat=3))


def reference_maps(coords: np.ndarray, levels: int, batch: np.ndarray) -> KernelMaps:
    """The definition, one dictionary per level."""
    rows = [tuple(row) for row in np.column_stack([batch, coords]).tolist()]
    counts, subm, child, up, all_coords, all_batch = [], [], [], [], [], []
    for level in range(levels):
        at = {row: i for i, row in enumerate(rows)}
        table = [[at.get((b, x + i, y + j, z + k), len(rows)) for i, j, k in OFFSETS] for b, x, y, z in rows]
        counts.append(len(rows))
        subm.append(np.array(table, np.int32).reshape(-1, 27))
        all_coords.append(np.array([row[1:] for row in rows], np.int32).reshape(-1, 3))
        all_batch.append(np.array([row[0] for row in rows], np.int32))
        if level + 1 < levels:
            parents = sorted({(b, x >> 1, y >> 1, z >> 1) for b, x, y, z in rows})
            number = {row: i for i, row in enumerate(parents)}
            children = np.full((len(parents), 8), len(rows), np.int32)
            ups = np.zeros(len(rows), np.int32)
            for i, (b, x, y, z) in enumerate(rows):
                parent, slot = number[(b, x >> 1, y >> 1, z >> 1)], (x & 1) * 4 + (y & 1) * 2 + (z & 1)
                children[parent, slot] = i
                ups[i] = parent * 8 + slot
            child.append(children)
            up.append(ups)
            rows = parents
    return KernelMaps(tuple(counts), tuple(subm), tuple(child), tuple(up), tuple(all_coords), tuple(all_batch))


def assert_equal_maps(maps: KernelMaps, expected: KernelMaps) -> None:
    assert maps.counts == expected.counts
    for name in ("subm", "child", "up", "coords"):
        found, wanted = getattr(maps, name), getattr(expected, name)
        assert len(found) == len(wanted), name
        for level, (a, b) in enumerate(zip(found, wanted, strict=True)):
            assert a.dtype == np.int32
            assert a.flags.c_contiguous
            assert np.array_equal(a, b), f"{name}{level}"


@st.composite
def voxel_sets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Sorted (batch, coords); small extents make many neighbours, one far voxel makes wide keys."""
    extent = draw(st.tuples(*[st.integers(1, 9)] * 3))
    cell = st.tuples(st.integers(0, 2), *[st.integers(0, size - 1) for size in extent])
    rows = draw(st.sets(cell, max_size=60))
    rows |= draw(st.sets(st.tuples(st.integers(0, 2), *[st.integers(0, 1 << 19)] * 3), max_size=2))
    table = np.array(sorted(rows), np.int32).reshape(-1, 4)
    return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1:])


@settings(max_examples=400, deadline=None)
@given(voxel_sets(), st.integers(1, 6))
def test_the_tables_of_several_scans_equal_a_dictionary_look_up(voxels, levels):
    batch, coords = voxels
    maps = build_kernel_maps(coords, levels, batch)
    expected = reference_maps(coords, levels, batch)
    assert_equal_maps(maps, expected)
    assert maps.batch is not None
    assert all(np.array_equal(a, b) for a, b in zip(maps.batch, expected.batch, strict=True))


@settings(max_examples=100, deadline=None)
@given(voxel_sets(), st.integers(1, 5))
def test_voxels_share_a_coarser_cell_where_their_halved_coordinates_are_equal(voxels, levels):
    coords = np.unique(voxels[1], axis=0)
    for level, cell in enumerate(coarser_cells(coords, levels), start=1):
        _, expected = np.unique(coords >> level, axis=0, return_inverse=True)
        assert np.array_equal(cell, expected.reshape(-1))


@settings(max_examples=100, deadline=None)
@given(voxel_sets(), st.integers(1, 40), st.integers(1, 2))
def test_the_tables_are_the_same_however_their_rows_are_shared_out(voxels, rows_per_task, threads):
    batch, coords = voxels
    whole = build_kernel_maps(coords, 3, batch)
    with mock.patch.object(kernel_maps, "_ROWS_PER_TASK", rows_per_task):
        assert_equal_maps(build_kernel_maps(coords, 3, batch, threads), whole)


@settings(max_examples=100, deadline=None)
@given(voxel_sets())
def test_the_table_of_a_wide_convolution_equals_a_dictionary_look_up(voxels):
    batch, coords = voxels
    maps = build_kernel_maps(coords, 1, batch)
    rows = [tuple(row) for row in np.column_stack([batch, coords]).tolist()]
    at = {row: i for i, row in enumerate(rows)}
    around = list(itertools.product(range(-2, 3), repeat=3))
    expected = [[at.get((b, x + i, y + j, z + k), len(rows)) for i, j, k in around] for b, x, y, z in rows]
    assert np.array_equal(maps.table("wide", 0), np.array(expected, np.int32).reshape(-1, 125))


def test_threads_share_the_rows_of_a_wide_table():
    cells = np.sort(np.random.default_rng(0).choice(48**3, 40_000, replace=False))
    coords = np.stack(np.unravel_index(cells, (48,) * 3), axis=1).astype(np.int32)
    assert np.array_equal(wide_table(coords, threads=1), wide_table(coords, threads=3))


def test_coordinates_too_large_for_a_wide_table_are_refused():
    with pytest.raises(BadPointCloud, match="fit 63 bits together for a 5\\^3 convolution"):
        wide_table(np.full((1, 3), 2**21 - 4, np.int32))


@settings(max_examples=200, deadline=None)
@given(voxel_sets())
def test_child_and_parent_tables_tell_the_same_story(voxels):
    batch, coords = voxels
    maps = build_kernel_maps(coords, 5, batch)
    for level, (child, up) in enumerate(zip(maps.child, maps.up, strict=True)):
        parent, slot = np.nonzero(child < maps.counts[level])
        assert np.array_equal(np.sort(child[parent, slot]), np.arange(maps.counts[level]))
        assert np.array_equal(up[child[parent, slot]], parent * 8 + slot)
        assert np.array_equal(maps.coords[level + 1][up // 8], maps.coords[level] >> 1)


@settings(max_examples=100, deadline=None)
@given(voxel_sets())
def test_scans_in_one_batch_are_the_scans_alone(voxels):
    batch, coords = voxels
    together = build_kernel_maps(coords, 3, batch)
    for scan in np.unique(batch):
        alone = build_kernel_maps(np.ascontiguousarray(coords[batch == scan]), 3)
        first = int(np.argmax(batch == scan))
        inside = together.subm[0][batch == scan]
        moved = np.where(inside < together.counts[0], inside - first, alone.counts[0])
        assert np.array_equal(moved, alone.subm[0])


@pytest.mark.parametrize("count", [0, 1])
def test_no_voxel_and_one_voxel_have_tables(count):
    coords = np.full((count, 3), 7, np.int32)
    assert_equal_maps(build_kernel_maps(coords), reference_maps(coords, 5, np.zeros(count, np.int32)))
    assert build_kernel_maps(coords).batch is None


@pytest.mark.parametrize("voxel_m", [0.2, 0.8])
def test_a_whole_scan_gives_equal_tables(voxel_m):
    rng = np.random.default_rng(5)
    ground = np.column_stack([rng.uniform(-20, 20, (30_000, 2)), rng.normal(-1.7, 0.03, 30_000)])
    wall = np.column_stack([rng.uniform(-20, 20, 8000), np.full(8000, 8.0), rng.uniform(-1.7, 3, 8000)])
    grid = VoxelGrid("cartesian", (voxel_m,) * 3, (-20.0, -20.0, -3.0, 20.0, 20.0, 5.0))
    coords = voxelise(np.concatenate([ground, wall]).astype(np.float32), grid).coords
    assert_equal_maps(build_kernel_maps(coords), reference_maps(coords, 5, np.zeros(len(coords), np.int32)))


def test_a_recorded_scan_gives_equal_tables(test_data):
    with np.load(recording(test_data, "pandaset_*/lidar/00.npz")) as stored:
        xyz_m = stored["xyz_world"].astype(np.float32)
    middle = np.median(xyz_m, axis=0)
    grid = VoxelGrid("cartesian", (0.3,) * 3, (-38.4, -38.4, -6.0, 38.4, 38.4, 9.0))
    coords = voxelise(xyz_m - middle, grid).coords
    assert len(coords) > 5000
    assert_equal_maps(build_kernel_maps(coords), reference_maps(coords, 5, np.zeros(len(coords), np.int32)))


@pytest.mark.parametrize(
    ("coords", "batch", "word"),
    [
        (np.array([[1, 0, 0], [0, 0, 0]], np.int32), None, "row 1"),
        (np.array([[1, 0, 0], [1, 0, 0]], np.int32), None, "row 1"),
        (np.array([[-1, 0, 0]], np.int32), None, ">= 0"),
        (np.array([[1, 0, 0]], np.int64), None, "int32"),
        (np.array([1, 0, 0], np.int32), None, "int32"),
        (np.array([[1, 0, 0]], np.int32), np.array([0, 1], np.int32), "batch"),
        (np.array([[1, 0, 0]], np.int32), np.array([-1], np.int32), "batch"),
        (np.array([[1, 0, 0], [2, 0, 0]], np.int32), np.array([1, 0], np.int32), "row 1"),
        (np.array([[2**31 - 4, 2**31 - 4, 2**31 - 4]], np.int32), None, "63 bits"),
    ],
)
def test_voxels_that_are_not_voxelises_are_refused(coords, batch, word):
    with pytest.raises(BadPointCloud, match=word):
        build_kernel_maps(coords, 5, batch)


@pytest.mark.parametrize("levels", [0, -1, 17])
def test_a_number_of_levels_that_cannot_be_is_refused(levels):
    with pytest.raises(BadPointCloud, match="levels"):
        build_kernel_maps(np.zeros((1, 3), np.int32), levels)
