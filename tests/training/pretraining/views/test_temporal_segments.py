"""Segments and matches that two sweeps of one place share: what stands is found again, what moves drops out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.lidar.nuscenes import NuScenes
from offline_training.datasets.lidar.pandaset import PandaSet
from offline_training.networks.base.point_backbone import BackboneInputs
from offline_training.pretraining.views.paired_scan import PairedScan, pair_scan
from offline_training.pretraining.views.posed_source import PosedSource, neighbour
from offline_training.pretraining.views.temporal_segments import (
    SegmentSpec,
    common_segments,
    connected_voxels,
    is_ground,
    paired_moments,
)
from offline_training.pretraining.views.two_views import collate_two_views, overlapping_views
from tests.recordings import recording

NUSCENES_16 = class_table("nuscenes16")


def turned(yaw_rad: float, *translation_m: float) -> RigidTransform:
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return RigidTransform(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), np.array(translation_m))


def block(center_m, size_m, count: int, seed: int) -> np.ndarray:
    return (np.array(center_m) + (np.random.default_rng(seed).random((count, 3)) - 0.5) * size_m).astype(np.float32)


def street(moving_x_m: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A road 1.8 m below that climbs by 3 %, two cars that stand and one that moves: points and what they belong to."""
    road = block((0, 0, 0), (50, 20, 0.02), 8000, seed)
    road[:, 2] += 0.03 * road[:, 0] - 1.8
    cars = [
        block((x, y, 0.03 * x - 0.9), (4, 1.8, 1.0), 400, seed + k) for k, (x, y) in enumerate([(8, 3), (-6, -4)], 1)
    ]
    moving = block((moving_x_m, -1, 0.03 * moving_x_m - 0.9), (4, 1.8, 1.0), 400, seed + 3)
    parts = [road, *cars, moving]
    return np.concatenate(parts), np.repeat(np.arange(4), [len(part) for part in parts])


class Drive:
    """Sweeps of a street from a vehicle that turns while it drives; stamps in seconds as given."""

    classes = NUSCENES_16

    def __init__(self, stamps_s: list[float]) -> None:
        self._stamps_s = stamps_s

    def __len__(self) -> int:
        return len(self._stamps_s)

    def __getitem__(self, index: int) -> Sample:
        xyz_m, _ = street(-15.0 + 9.0 * index, seed=10 * index)
        xyz_m = self.T_world_lidar(index).inverse().apply(xyz_m)
        stamp_ns = round(self._stamps_s[index] * 1e9)
        return Sample(
            f"drive/{index}", PointCloud(xyz_m, np.ones(len(xyz_m), np.float32), stamp_ns, ""), None, NUSCENES_16
        )

    def T_world_lidar(self, index: int) -> RigidTransform:
        return turned(0.1 * index, 1.5 * index, 0.2, 0.05 * index)


def test_standing_things_are_one_segment_of_their_own_and_moving_things_and_road_are_none():
    drive = Drive([0.0, 0.5])
    there = neighbour(drive, 0)
    segments = common_segments(
        drive[0].cloud.xyz_m,
        there.sample.cloud.xyz_m,
        there.T_here_there,
        np.random.default_rng(0),
        SegmentSpec(tile_m=100),
    )
    for index, segment in enumerate(segments):
        _, thing = street(-15.0 + 9.0 * index, seed=10 * index)
        assert (segment[thing == 0] == -1).all()
        assert (segment[thing == 3] == -1).all()
        for car in (1, 2):
            ids = segment[(thing == car) & (segment >= 0)]
            assert len(ids) > 300  # the lowest part of a car counts as ground
            assert len(set(ids.tolist())) == 1
    first = street(-15.0, seed=0)[1]
    assert set(segments[0][first == 1]) & set(segments[0][first == 2]) <= {-1}
    assert set(segments[0].tolist()) == set(segments[1].tolist()) == {-1, 0, 1}


def test_clusters_are_cut_into_tiles():
    wall = block((0, 5, 1), (40, 0.2, 3), 20000, 0)
    segment, _ = common_segments(
        wall, wall, RigidTransform.identity(), np.random.default_rng(0), SegmentSpec(tile_m=8.0)
    )
    for one in range(segment.max() + 1):
        assert np.ptp(wall[segment == one, 0]) <= 8.0
    assert 4 <= segment.max() <= 6


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, 120), st.sampled_from([0.5, 1.0, 3.0]))
def test_voxels_are_connected_as_a_walk_from_neighbour_to_neighbour_finds_them(seed, count, voxel_m):
    xyz_m = np.random.default_rng(seed).uniform(-6, 6, (count, 3))
    found = connected_voxels(xyz_m, voxel_m)
    cells = [tuple(cell) for cell in np.floor(xyz_m / voxel_m).astype(int)]
    cluster: dict[tuple, int] = {}
    for start in cells:
        if start in cluster:
            continue
        cluster[start], open_cells = len(cluster), [start]
        while open_cells:
            here = open_cells.pop()
            for other in cells:
                if other not in cluster and max(abs(a - b) for a, b in zip(here, other, strict=True)) <= 1:
                    cluster[other] = cluster[start]
                    open_cells.append(other)
    slow = np.array([cluster[cell] for cell in cells], int)
    assert (
        len(set(zip(slow.tolist(), found.tolist(), strict=True))) == len(set(slow.tolist())) == len(set(found.tolist()))
    )


@pytest.mark.parametrize("slope", [0.0, 0.1, -0.15])
def test_the_ground_is_found_on_a_slope(slope):
    road = block((0, 0, -1.7), (50, 50, 0.05), 5000, 0)
    road[:, 2] += slope * road[:, 0]
    posts = block((0, 0, 1.5), (40, 40, 2.0), 2000, 1)
    posts[:, 2] += slope * posts[:, 0]
    ground = is_ground(np.concatenate([road, posts]).astype(float), SegmentSpec(), np.random.default_rng(0))
    assert ground[:5000].mean() > 0.99
    assert not ground[5000:].any()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_few_points_or_none_have_no_segments_and_no_error(count):
    few = block((0, 0, 0), (1, 1, 1), count, 0)
    for other in (few, np.zeros((0, 3), np.float32)):
        here, there = common_segments(few, other, RigidTransform.identity(), np.random.default_rng(0))
        assert_array_equal(here, np.full(count, -1))
        assert_array_equal(there, np.full(len(other), -1))


def test_the_neighbour_is_the_next_sweep_of_the_drive_or_the_one_before():
    drive = Drive([0.0, 0.5, 1.0, 0.0, 5.0])  # a second drive begins with the fourth, and has a gap
    assert [None if (one := neighbour(drive, k)) is None else one.sample.name for k in range(5)] == [
        "drive/1",
        "drive/2",
        "drive/1",
        None,
        None,
    ]
    there = neighbour(drive, 2)
    world_m = drive.T_world_lidar(1).apply(there.sample.cloud.xyz_m)
    assert_allclose(
        drive.T_world_lidar(2).apply(there.T_here_there.apply(there.sample.cloud.xyz_m)), world_m, atol=1e-4
    )


def test_data_sets_with_poses_say_so(test_data):
    assert isinstance(Drive([0.0]), PosedSource)
    assert isinstance(PandaSet(recording(test_data, "pandaset_*")), PosedSource)
    assert issubclass(NuScenes, PosedSource)


def bare_scan(sample: Sample) -> PairedScan:
    return pair_scan(sample)


def test_two_moments_share_their_segments_and_one_alone_stands_for_both():
    drive = Drive([0.0, 0.5])
    scan, next_scan = paired_moments(drive[0], neighbour(drive, 0), bare_scan, np.random.default_rng(0))
    assert_array_equal(scan.xyz_m, drive[0].cloud.xyz_m)
    assert_array_equal(next_scan.xyz_m, drive[1].cloud.xyz_m)
    assert set(scan.segment.tolist()) == set(next_scan.segment.tolist()) >= {-1, 0, 1}
    scan, same = paired_moments(drive[0], None, bare_scan, np.random.default_rng(0))
    assert_array_equal(scan.segment, same.segment)
    assert scan.segment.max() >= 2  # the moving car too


class EachPointARow:
    def __call__(self, scans):
        import torch

        count = sum(len(xyz_m) for xyz_m, _ in scans)
        return BackboneInputs(torch.arange(count), count, tuple(len(xyz_m) for xyz_m, _ in scans))


def test_matched_points_are_near_each_other_in_the_world_and_moving_things_have_none():
    here_m, thing = street(-15.0, seed=0)
    there_m, next_thing = street(-3.0, seed=0)  # the same points, but for the car that moved
    T_here_there = turned(0.3, 2.0, -1.0, 0.1)
    other_m = T_here_there.inverse().apply(there_m)
    ones = np.ones(len(here_m), np.float32)
    views = overlapping_views(here_m, ones, other_m, ones, T_here_there, np.random.default_rng(0))
    match = collate_two_views([views, views], EachPointARow()).match.numpy()
    assert len(match) % 2 == 0
    match = match[: len(match) // 2]
    assert_allclose(here_m[match[:, 0]], there_m[match[:, 1]], atol=0.2)
    standing = np.flatnonzero(thing != 3)
    assert_array_equal(np.intersect1d(match[:, 0], standing), standing)
    crossing = (thing[match[:, 0]] == 3) | (next_thing[match[:, 1]] == 3)
    assert crossing.sum() < 10


def test_views_are_the_sweeps_turned_or_mirrored():
    here_m, _ = street(0.0, seed=0)
    ones = np.ones(len(here_m), np.float32)
    views = overlapping_views(
        here_m, ones, here_m[:100], ones[:100], RigidTransform.identity(), np.random.default_rng(1)
    )
    for view, xyz_m in zip(views, (here_m, here_m[:100]), strict=True):
        assert_allclose(np.hypot(*view.xyz_m.T[:2]), np.hypot(*xyz_m.T[:2]), rtol=1e-4, atol=1e-3)
        assert_array_equal(view.xyz_m[:, 2], xyz_m[:, 2])
    nothing = np.zeros((0, 3), np.float32)
    lone, _ = overlapping_views(here_m, ones, nothing, ones[:0], RigidTransform.identity(), np.random.default_rng(1))
    assert len(lone.xyz_m) == len(here_m)


def test_segments_of_a_street_hold_one_class_each(test_data):
    data = PandaSet(recording(test_data, "pandaset_*"), ["04", "06"], sensor=0)
    there = neighbour(data, 0)
    here = data[0]
    segment, next_segment = common_segments(
        here.cloud.xyz_m, there.sample.cloud.xyz_m, there.T_here_there, np.random.default_rng(0)
    )
    assert 125 < segment.max() < 600
    for sample, ids in ((here, segment), (there.sample, next_segment)):
        known = (ids >= 0) & (sample.class_id != 255)
        votes = np.zeros((ids.max() + 1, 16), int)
        np.add.at(votes, (ids[known], sample.class_id[known]), 1)
        assert votes.max(axis=1).sum() / votes.sum() > 0.9
        road = sample.class_id == NUSCENES_16.id_of("driveable_surface")
        assert (ids[road] >= 0).mean() < 0.1
