"""Every point gets an answer from near by, also where the network looks at a part of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.thinning import thinned
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.partial_look import partial_look
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise

GRID = VoxelGrid("cartesian", (0.5, 0.5, 0.5), (-16.0, -16.0, -16.0, 16.0, 16.0, 16.0))


def cloud_of(seed: int, points: int, side_m: float) -> PointCloud:
    """Points in a cube, one in eight without a return."""
    rng = np.random.default_rng(seed)
    xyz_m = rng.uniform(-side_m, side_m, (points, 3)).astype(np.float32)
    xyz_m[rng.random(points) < 0.125] = np.nan
    return PointCloud(xyz_m, rng.random(points, np.float32), 1, "lidar")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 300), st.sampled_from([1.0, 6.0, 20.0]), st.sampled_from([0.5, 0.25]))
def test_a_point_gets_the_answer_of_the_smallest_cell_around_it_that_has_one(seed, points, side_m, share):
    cloud = cloud_of(seed, points, side_m)
    voxels = voxelise(cloud.xyz_m, GRID)
    look = partial_look(cloud, voxels, share)
    looked_at = {tuple(coord): row for row, coord in enumerate(look.voxels.coords.tolist())}
    few = thinned(cloud, max(1, round(share * points)))
    rows = np.arange(points) if few.rows is None else few.rows
    if len(looked_at) < len(voxels.coords):
        wanted = {tuple(voxels.coords[v]) for v in voxels.point_to_voxel[rows] if v >= 0}
        assert set(looked_at) == wanted
        assert [tuple(look.voxels.coords[v]) if v >= 0 else None for v in look.voxels.point_to_voxel] == [
            tuple(voxels.coords[v]) if v >= 0 else None for v in voxels.point_to_voxel[rows]
        ]
    for voxel, row in zip(voxels.point_to_voxel, look.point_to_row, strict=True):
        if voxel < 0:
            assert row == -1
            continue
        coord = voxels.coords[voxel]
        near = next((cell for level in range(5) if (cell := _in_cell(looked_at, coord, level))), {-1})
        assert row in near


def _in_cell(looked_at: dict[tuple, int], coord: np.ndarray, level: int) -> set[int]:
    """Rows of the voxels in one cell of 2^level voxels along each axis with this one."""
    cell = tuple(coord >> level)
    return {row for other, row in looked_at.items() if tuple(axis >> level for axis in other) == cell}


def test_where_no_point_of_the_share_can_be_used_all_are_looked_at():
    xyz_m = np.full((64, 3), np.nan, np.float32)
    cloud = PointCloud(xyz_m, np.zeros(64, np.float32), 1, "lidar")
    unseen = np.setdiff1d(np.arange(64), thinned(cloud, 16).rows)
    cloud.xyz_m[unseen] = 1.0
    look = partial_look(cloud, voxelise(cloud.xyz_m, GRID), 0.25)
    assert look.cloud is cloud
    assert (look.point_to_row[unseen] == 0).all()


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_a_cloud_of_one_place_is_named_alike_by_all_its_points_and_by_a_part_of_them(tiny_package, share):
    segmenter = Segmenter(load_model_package(tiny_package), threads=1)
    assert segmenter.can_look_at_parts
    cloud = PointCloud(np.full((40, 3), 2.0, np.float32), np.full(40, 0.5, np.float32), 1, "lidar")
    labels = segmenter.segment(cloud, share)
    assert len(labels.class_id) == 40
    assert len(set(labels.class_id.tolist())) == 1
    assert labels.class_id[0] != 255
