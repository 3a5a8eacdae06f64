"""Points to voxels: equal to a slow reading of the definition, for any cloud."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lidar_vl_core.foundation.errors import BadConfig, BadPointCloud
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise

TINY_GRID = VoxelGrid("cartesian", (0.5, 0.5, 0.5), (-2.0, -2.0, -1.0, 2.0, 2.0, 1.0))


def reference_cells(xyz_m: np.ndarray, grid: VoxelGrid) -> list[tuple[int, int, int] | None]:
    """Cell of each point by the definition, in plain Python."""
    cells = []
    for x, y, z in xyz_m.astype(np.float64).tolist():
        if not all(map(math.isfinite, (x, y, z))):
            cells.append(None)
            continue
        point = [x, y, z]
        if grid.kind == "cylindrical":
            phi = math.atan2(y, x)
            if phi < grid.range_min[1]:
                phi += 2 * math.pi
            if phi >= grid.range_max[1]:
                phi -= 2 * math.pi
            if grid.full_turn:
                phi = max(phi, grid.range_min[1])
            point = [math.sqrt(x * x + y * y), phi, z]
        inside = all(grid.range_min[a] <= point[a] < grid.range_max[a] for a in range(3))
        cell = [(point[a] - grid.range_min[a]) / grid.voxel_size[a] for a in range(3)] if inside else []
        cells.append(tuple(min(int(c), grid.shape[a] - 1) for a, c in enumerate(cell)) if inside else None)
    return cells


finite_or_wild = st.one_of(
    st.floats(-3, 3, width=32),
    st.sampled_from(
        np.array(
            [np.nan, np.inf, -np.inf, 1e38, -1e38, 1e9, 3e9, -0.0, 1e-45, -2.0, 2.0, 1.0, 0.5, 1.9999999], np.float32
        ).tolist()
    ),
)


@st.composite
def clouds(draw: st.DrawFn) -> np.ndarray:
    return draw(hnp.arrays(np.float32, st.tuples(st.integers(0, 40), st.just(3)), elements=finite_or_wild))


@st.composite
def grids(draw: st.DrawFn) -> VoxelGrid:
    size = tuple(draw(st.floats(0.04, 2.0)) for _ in range(3))
    if draw(st.booleans()):
        low = [draw(st.floats(-3, 1)) for _ in range(3)]
        high = [value + draw(st.floats(0.1, 4)) for value in low]
        return VoxelGrid("cartesian", size, (*low, *high))
    start = draw(st.sampled_from([-math.pi, -3.141, -3.1416, 0.0, -1.0]))
    stop = start + draw(st.sampled_from([2 * math.pi, 6.2825, 3.0, 1.0]))
    return VoxelGrid("cylindrical", size, (0.0, start, -2.0, 3.0, stop, 1.0))


@settings(max_examples=400, deadline=None)
@given(clouds(), grids())
def test_every_point_lies_in_the_cell_of_the_definition_or_in_none(xyz_m, grid):
    voxels = voxelise(xyz_m, grid)
    expected = reference_cells(xyz_m, grid)
    assert [None if i < 0 else tuple(voxels.coords[i].tolist()) for i in voxels.point_to_voxel] == expected
    assert [tuple(row) for row in voxels.coords.tolist()] == sorted({cell for cell in expected if cell})
    assert voxels.coords.dtype == voxels.point_to_voxel.dtype == np.int32


@settings(max_examples=200, deadline=None)
@given(clouds(), grids(), st.randoms(use_true_random=False))
def test_the_order_of_the_points_does_not_change_the_voxels(xyz_m, grid, random):
    order = list(range(len(xyz_m)))
    random.shuffle(order)
    voxels, shuffled = voxelise(xyz_m, grid), voxelise(xyz_m[order], grid)
    assert np.array_equal(voxels.coords, shuffled.coords)
    assert np.array_equal(voxels.point_to_voxel[order], shuffled.point_to_voxel)


@pytest.mark.parametrize("kind", ["cartesian", "cylindrical"])
def test_a_hundred_thousand_wild_coordinates_stay_out_or_in_their_cell(kind, figures):
    rng = np.random.default_rng(7)
    wild = np.array(
        [np.nan, np.inf, -np.inf, 1e9, -1e9, 3e9, 1e38, -3.4e38, -0.0, 1e-45, 2.0**31, -(2.0**63)], np.float32
    )
    xyz_m = rng.uniform(-30, 30, (33_334, 3)).astype(np.float32)
    xyz_m = np.where(rng.random(xyz_m.shape) < 0.1, rng.choice(wild, xyz_m.shape), xyz_m)
    sizes, limits = ((0.3,) * 3, (-25.6, -25.6, -20.0, 25.6, 25.6, 20.0))
    if kind == "cylindrical":
        sizes, limits = ((0.3, 0.01, 0.3), (0.0, -math.pi, -20.0, 25.6, math.pi, 20.0))
    grid = VoxelGrid(kind, sizes, limits)
    voxels = voxelise(xyz_m, grid)
    figures.count("wild coordinates", xyz_m.size)
    assert voxels.coords.min() >= 0
    assert (voxels.coords < grid.shape).all()
    expected = reference_cells(xyz_m, grid)
    assert [None if i < 0 else tuple(voxels.coords[i].tolist()) for i in voxels.point_to_voxel] == expected


@pytest.mark.parametrize("count", [2047, 5000, 70_001])
def test_a_large_cloud_gives_what_numpy_unique_gives(count):
    rng = np.random.default_rng(count)
    grid = VoxelGrid("cartesian", (0.05, 0.1, 0.2), (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0))
    xyz_m = rng.normal(0, 20, (count, 3)).astype(np.float32)
    low, high, size = np.array(grid.range_min), np.array(grid.range_max), np.array(grid.voxel_size)
    inside = ((xyz_m >= low) & (xyz_m < high)).all(axis=1)
    cells = np.minimum(((xyz_m[inside] - low) / size).astype(np.int64), np.array(grid.shape) - 1)
    coords, point_to_voxel = np.unique(cells, axis=0, return_inverse=True)
    voxels = voxelise(xyz_m, grid)
    assert np.array_equal(voxels.coords, coords)
    assert np.array_equal(voxels.point_to_voxel[inside], point_to_voxel.ravel())
    assert (voxels.point_to_voxel[~inside] == -1).all()


def test_no_points_make_no_voxels():
    voxels = voxelise(np.zeros((0, 3), np.float32), TINY_GRID)
    assert voxels.coords.shape == (0, 3)
    assert voxels.point_to_voxel.shape == (0,)


def test_a_rounding_error_in_the_range_does_not_add_a_cell():
    assert VoxelGrid("cartesian", (0.05, 0.1, 0.3), (-51.2, -0.3, 0.0, 51.2, 0.3, 0.9)).shape == (2048, 6, 3)


def test_a_full_turn_has_no_gap_at_the_back():
    grid = VoxelGrid("cylindrical", (1.0, math.pi / 8, 1.0), (0.0, -3.14159, -1.0, 9.0, 3.14159, 1.0))
    behind = np.array([[-5, 0.0, 0], [-5, -0.0, 0], [-5, 1e-7, 0], [-5, -1e-7, 0]], np.float32)
    assert (voxelise(behind, grid).point_to_voxel >= 0).all()


def test_the_points_are_not_changed():
    xyz_m = np.array([[0.1, 0.2, 0.3], [np.nan, 0, 0]], np.float32)
    before = xyz_m.copy()
    voxelise(xyz_m, TINY_GRID)
    assert np.array_equal(before, xyz_m, equal_nan=True)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("spherical", (1, 1, 1), (0, 0, 0, 1, 1, 1)), "kind"),
        (("cartesian", (1, 1), (0, 0, 0, 1, 1, 1)), "voxel_size"),
        (("cartesian", (1, 1, 0), (0, 0, 0, 1, 1, 1)), "voxel_size"),
        (("cartesian", (1, 1, math.nan), (0, 0, 0, 1, 1, 1)), "voxel_size"),
        (("cartesian", (1, 1, 1), (0, 0, 0, 1, 1)), "point_cloud_range"),
        (("cartesian", (1, 1, 1), (0, 0, 1, 1, 1, 1)), "point_cloud_range"),
        (("cartesian", (1, 1, 1), (0, 0, 0, 1, 1, math.inf)), "point_cloud_range"),
        (("cartesian", (1e-9, 1, 1), (0, 0, 0, 1, 1, 1)), "cells"),
        (("cartesian", (1e-300, 1, 1), (0, 0, 0, 1e300, 1, 1)), "cells"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_by_name(arguments, word):
    with pytest.raises(BadConfig, match=word):
        VoxelGrid(*arguments)


def test_a_cloud_of_another_shape_is_refused():
    with pytest.raises(BadPointCloud, match=r"\(N, 3\)"):
        voxelise(np.zeros((4, 4), np.float32), TINY_GRID)


def test_more_points_than_can_be_sorted_in_so_fine_a_grid_are_refused():
    grid = VoxelGrid("cartesian", (1e-3, 1e-3, 1e-3), (0, 0, 0, 1000, 1000, 1000))
    with pytest.raises(BadPointCloud, match="voxel_size"):
        voxelise(np.zeros((10_000, 3), np.float32), grid)
