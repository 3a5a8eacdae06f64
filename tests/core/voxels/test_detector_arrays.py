"""What a detector reads of a cloud: tables follow the definition, voxels fill in the order of the points."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadConfig, BadPointCloud
from lidar_vl_core.voxels.detector_arrays import DetectorVoxels
from lidar_vl_core.voxels.encoder_tables import STRIDED, encoder_tables
from lidar_vl_core.voxels.grid import VoxelGrid
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from lidar_vl_core.voxels.mean_points import mean_points
from lidar_vl_core.voxels.strided_conv import StridedConv, strided_conv_table

GRID = VoxelGrid("cartesian", (0.1, 0.1, 0.2), (0.0, -6.4, -2.0, 12.8, 6.4, 4.0))
DETECTOR = DetectorVoxels(GRID, 5, 1000)


def slow_table(sites: np.ndarray, shape: tuple, conv: StridedConv) -> dict[tuple, dict[int, int]]:
    """Output cell to {kernel offset: input row}, from the definition."""
    row_at = {tuple(site): row for row, site in enumerate(sites.tolist())}
    table: dict[tuple, dict[int, int]] = {}
    for scan in {site[0] for site in row_at}:
        for cell in product(*map(range, conv.shape_after(shape))):
            reads = {}
            for k, offset in enumerate(np.ndindex(conv.kernel)):
                source = np.array(cell) * conv.stride - conv.padding + offset
                if (scan, *source.tolist()) in row_at:
                    reads[k] = row_at[(scan, *source.tolist())]
            if reads:
                table[(scan, *cell)] = reads
    return table


def some_sites(seed: int, count: int, shape: tuple) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, 2, count), *(rng.integers(0, cells, count) for cells in shape)]
    return np.unique(np.column_stack(columns), axis=0).astype(np.int32)


triples = st.tuples(*[st.integers(1, 3)] * 3)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 20), st.tuples(*[st.integers(3, 6)] * 3), triples, triples, st.data())
def test_tables_follow_the_definition_for_any_kernel_stride_and_padding(seed, count, shape, kernel, stride, data):
    padding = data.draw(st.tuples(*[st.integers(0, side - 1) for side in kernel]))
    conv, sites = StridedConv(kernel, stride, padding), some_sites(seed, count, shape)
    found_sites, index = strided_conv_table(sites, shape, conv)
    expected = slow_table(sites, shape, conv)
    assert (found_sites.dtype, index.dtype) == (np.int32, np.int32)
    assert [tuple(site) for site in found_sites.tolist()] == sorted(expected)
    found = [{k: row for k, row in enumerate(rows) if row < len(sites)} for rows in index.tolist()]
    assert found == [expected[key] for key in sorted(expected)]


def test_levels_follow_each_other_and_a_level_has_the_neighbours_of_its_own_cells():
    shape = (16, 24, 25)
    tables = encoder_tables(some_sites(0, 200, shape), shape)
    for level, conv in enumerate(STRIDED):
        cells = tables.cells[level]
        assert len(cells) == tables.counts[level]
        after, index = strided_conv_table(cells, shape, conv)
        np.testing.assert_array_equal(tables.cells[level + 1], after)
        np.testing.assert_array_equal(tables.table("strided", level), index)
        neighbours = build_kernel_maps(np.ascontiguousarray(cells[:, 1:]), 1, cells[:, 0]).subm[0]
        np.testing.assert_array_equal(tables.table("subm", level), neighbours)
        shape = conv.shape_after(shape)


@pytest.mark.parametrize("cell", [(0, 16, 0, 0), (0, 0, 0, 9), (0, -1, 0, 0), (-1, 0, 0, 0)])
def test_a_cell_outside_the_grid_is_refused_before_anything_is_written(cell):
    with pytest.raises(BadPointCloud, match=r"sites: expected cells within \(16, 16, 9\)"):
        strided_conv_table(np.array([cell], np.int32), (16, 16, 9), STRIDED[0])


def test_an_output_of_more_cells_than_fit_the_memory_is_refused():
    side = 1 << 20
    with pytest.raises(BadPointCloud, match=r"expected at most \d+ cells of output"):
        strided_conv_table(np.zeros((1, 4), np.int32), (side, side, side), STRIDED[0])


def slow_mean_points(xyz_m, values, grid, most_points, most_voxels) -> dict[tuple, np.ndarray]:
    """Voxel to mean point, filled in the order of the points."""
    filled: dict[tuple, list] = {}
    for point, value in zip(xyz_m.astype(np.float64), values, strict=True):
        if not (np.isfinite(point).all() and (point >= grid.range_min).all() and (point < grid.range_max).all()):
            continue
        cell = tuple(np.floor((point - grid.range_min) * (1 / np.array(grid.voxel_size))).astype(int).tolist())
        if cell not in filled and len(filled) == most_voxels:
            continue
        filled.setdefault(cell, [])
        if len(filled[cell]) < most_points:
            filled[cell].append([*point, *np.where(np.isfinite(value), value, 0.0)])
    return {cell: np.mean(points, axis=0) for cell, points in filled.items()}


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 30), st.integers(0, 2))
def test_a_voxel_has_the_mean_of_its_first_points_and_a_scan_its_first_voxels(seed, most_points, most_voxels, columns):
    rng = np.random.default_rng(seed)
    xyz_m = (rng.normal(0, 0.2, (150, 3)) + rng.choice([(3, 1, 0), (9, -2, 1)], 150)).astype(np.float32)
    values = rng.uniform(0, 255, (150, columns)).astype(np.float32)
    values[::40] = np.nan
    xyz_m[::50] = (np.nan, 1.0, 1.0)
    coords, means, inside = mean_points(xyz_m, values, GRID, most_points, most_voxels)
    expected = slow_mean_points(xyz_m, values, GRID, most_points, most_voxels)
    assert [tuple(cell) for cell in coords.tolist()] == sorted(expected)
    np.testing.assert_allclose(means, [expected[cell] for cell in sorted(expected)], rtol=1e-5, atol=1e-5)
    assert not inside[::50].any()


def test_values_that_do_not_belong_to_the_points_are_refused():
    with pytest.raises(BadPointCloud, match=r"values: expected \(2, C\)"):
        mean_points(np.zeros((2, 3), np.float32), np.zeros((3, 1), np.float32), GRID, 5, 10)


def test_the_map_names_every_row_once_and_everything_else_empty():
    rng = np.random.default_rng(3)
    scans = [
        (rng.uniform((0, -6, -2), (12, 6, 4), (count, 3)).astype(np.float32), rng.random((count, 1)))
        for count in (80, 0, 60)
    ]
    arrays = DETECTOR.arrays(scans)
    rows = arrays.tables.counts[-1]
    width, height, depth = DETECTOR.map_shape
    assert arrays.map_index.shape == (3, depth, height, width)
    assert sorted(arrays.map_index[arrays.map_index < rows]) == list(range(rows))
    assert (arrays.map_index[1] == rows).all()
    assert len(arrays.features) == arrays.tables.counts[0]


def test_no_points_make_empty_arrays():
    arrays = DETECTOR.arrays([(np.empty((0, 3), np.float32), np.empty((0, 1), np.float32))])
    assert arrays.tables.counts == (0, 0, 0, 0, 0)
    assert arrays.features.shape == (0, 4)
    assert (arrays.map_index == 0).all()


def test_a_detector_of_no_points_or_no_voxels_is_refused():
    with pytest.raises(BadConfig, match="at least one point per voxel and one voxel"):
        DetectorVoxels(GRID, 0, 100)
