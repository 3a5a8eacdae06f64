"""A camera and a LiDAR before a wall with boxes: the alignment finds the right calibration, and by how much a wrong one is off."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.edge_alignment import score_map
from lidar_vl_core.edge_alignment.alignment import Verdict
from lidar_vl_core.edge_alignment.camera_watch import CameraWatch
from lidar_vl_core.edge_alignment.depth_edges import DepthEdges, depth_edges
from lidar_vl_core.edge_alignment.image_edges import image_edges
from lidar_vl_core.edge_alignment.score_map import SHIFTS_M, TURNS_DEG, reduced, score_maps, turn
from lidar_vl_core.geometry.rigid_transform import RigidTransform

CAMERA = CameraModel(640, 400, np.array([[450.0, 0, 319.5], [0, 450.0, 199.5], [0, 0, 1]]))
# x forward, y left, z up -> x right, y down, z ahead; the camera 20 cm below the LiDAR.
T_CAM_LIDAR = RigidTransform(np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]], float), np.array([0.0, -0.2, 0.0]))
WALL_M = 20.0


def _boxes(seed):
    """Upright panels: x, y of the middle, z of the middle, half width, half height, grey."""
    rng = np.random.default_rng(seed)
    return [
        (
            rng.uniform(5, 12),
            rng.uniform(-0.5, 0.5) * 12 - 0.1,
            rng.uniform(-2.5, 1.5),
            rng.uniform(0.3, 0.9),
            rng.uniform(0.3, 0.9),
            g,
        )
        for g in rng.integers(0, 256, 9)
    ]


def _cast(origin_m, direction, boxes):
    """Depth along x and grey of what rays (N, 3) meet: the nearest panel, else the wall."""
    x_m, grey = np.full(len(direction), WALL_M), np.full(len(direction), 128.0)
    for at, y, z, width, height, value in boxes:
        scale = (at - origin_m[0]) / direction[:, 0]
        met = origin_m + scale[:, None] * direction
        inside = (np.abs(met[:, 1] - y) < width) & (np.abs(met[:, 2] - z) < height) & (at < x_m)
        x_m[inside], grey[inside] = at, value
    return x_m, grey


def _cloud(boxes):
    azimuth, elevation = np.meshgrid(
        np.radians(np.arange(-38, 38, 0.3)), np.radians(np.arange(-20, 20, 0.8)), indexing="ij"
    )
    rays = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], -1)
    rays = rays.reshape(-1, 3)
    x_m, _ = _cast(np.zeros(3), rays, boxes)
    xyz_m = (rays * (x_m / rays[:, 0])[:, None]).astype(np.float32)
    return PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 9, "lidar")


def _view(boxes):
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    seen = CAMERA.unproject(np.stack([u.ravel(), v.ravel()], 1), np.ones(u.size)) @ T_CAM_LIDAR.rotation
    _, grey = _cast(T_CAM_LIDAR.inverse().translation_m, seen, boxes)
    rgb = np.repeat(grey.astype(np.uint8).reshape(CAMERA.height, CAMERA.width, 1), 3, axis=2)
    return CameraView("front", CAMERA, T_CAM_LIDAR, 9, lambda: rgb)


@cache
def _scene(seed):
    return _cloud(_boxes(seed)), _view(_boxes(seed))


def _judged(cloud, view, wrong=None):
    watch = CameraWatch(frames=5)
    T_cam_lidar = view.T_cam_lidar if wrong is None else wrong @ view.T_cam_lidar
    watch.add(cloud, replace(view, T_cam_lidar=T_cam_lidar))
    return watch.alignment("front")


@pytest.mark.parametrize("seed", range(3))
def test_a_right_calibration_fits(seed):
    found = _judged(*_scene(seed))
    assert found.verdict is Verdict.FITS, str(found)
    assert max(abs(found.right_m.best), abs(found.down_m.best)) < 0.06
    assert found.score > 0.5 * found.best_score


@pytest.mark.parametrize(("yaw_deg", "pitch_deg"), [(1, 0), (-1, 0), (0, 1), (0, -1), (0.8, -0.8)])
def test_a_camera_that_is_turned_by_a_degree_is_off_by_that(yaw_deg, pitch_deg):
    found = _judged(*_scene(1), RigidTransform(turn(yaw_deg, pitch_deg), np.zeros(3)))
    assert found.verdict is Verdict.OFF, str(found)
    assert (found.yaw_deg.best, found.pitch_deg.best) == pytest.approx((-yaw_deg, -pitch_deg), abs=0.3)
    assert "off: the points fit the image best" in str(found)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_camera_that_is_moved_by_ten_centimetres_is_off_by_that(axis):
    shift_m = np.zeros(3)
    shift_m[axis] = 0.1
    found = _judged(*_scene(2), RigidTransform(np.eye(3), shift_m))
    assert found.verdict is Verdict.OFF, str(found)
    assert (found.right_m, found.down_m)[axis].best == pytest.approx(-0.1, abs=0.03)


def test_an_image_of_another_place_or_of_the_night_is_no_calibration_that_fits():
    cloud, view = _scene(0)
    night = replace(view, load_rgb=lambda: np.random.default_rng(0).integers(0, 3, (400, 640, 3)).astype(np.uint8))
    found = _judged(cloud, night)
    assert found.verdict is Verdict.UNCLEAR
    assert "dark, blurred, empty?" in str(found)
    assert _judged(cloud, _scene(7)[1]).verdict is not Verdict.FITS


def test_without_things_before_the_wall_nobody_can_tell():
    cloud, view = _scene(0)
    rows = cloud.xyz_m[:, 0] > WALL_M - 1
    bare = PointCloud(cloud.xyz_m[rows][:2], np.zeros(2, np.float32), 9, "lidar")
    assert "depth edges in view, at least 60 are needed" in str(_judged(bare, view))


def test_upright_edges_alone_do_not_tell_of_up_and_down():
    posts = [(8.0, y, 0.0, 0.4, 50.0, grey) for y, grey in ((-4, 10), (-2, 250), (0, 60), (1.5, 200), (3.7, 0))]
    found = _judged(_cloud(posts), _view(posts))
    assert found.verdict is Verdict.UNCLEAR
    assert "up and down" in str(found)
    assert abs(found.yaw_deg.best) < 0.25


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_edges_lie_at_the_near_side_and_do_not_depend_on_the_order_of_points(seed):
    cloud = _cloud(_boxes(seed))
    edges = depth_edges(cloud.xyz_m, CAMERA, T_CAM_LIDAR)
    mixed = depth_edges(np.random.default_rng(seed).permutation(cloud.xyz_m), CAMERA, T_CAM_LIDAR)
    np.testing.assert_allclose(np.sort(edges.xyz_cam_m, axis=0), np.sort(mixed.xyz_cam_m, axis=0), atol=1e-6)
    assert (edges.xyz_cam_m[:, 2] < 12.1).all()


def test_a_road_is_no_edge_however_far_apart_its_lines_are():
    azimuth, elevation = np.meshgrid(np.radians(np.arange(-30, 30, 0.3)), np.radians(-np.arange(3.0, 20, 1.0)))
    range_m = 1.75 / np.sin(-elevation)
    xyz_m = np.stack(
        [
            range_m * np.cos(elevation) * np.cos(azimuth),
            range_m * np.cos(elevation) * np.sin(azimuth),
            np.full(azimuth.shape, -1.75),
        ],
        axis=-1,
    )
    assert len(depth_edges(xyz_m.reshape(-1, 3).astype(np.float32), CAMERA, T_CAM_LIDAR)) == 0


def _slow_scores(edges, stands_out, camera, change):
    """One change, edge by edge: bilinear between the centres of four pixels, 0 where there are not four."""
    total = 0.0
    for xyz_m in edges:
        uv_px, _, visible = camera.project(change(xyz_m)[None])
        u, v = uv_px[0]
        if not (visible[0] and 0 <= u <= camera.width - 1 and 0 <= v <= camera.height - 1):
            continue
        left, top = int(np.floor(u)), int(np.floor(v))
        for column, row, weight in (
            (left, top, (left + 1 - u) * (top + 1 - v)),
            (left + 1, top, (u - left) * (top + 1 - v)),
            (left, top + 1, (left + 1 - u) * (v - top)),
            (left + 1, top + 1, (u - left) * (v - top)),
        ):
            if 0 <= column < camera.width and 0 <= row < camera.height:
                total += weight * stands_out[row, column]
    return total


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2), st.integers(0, 20), st.integers(0, 20))
def test_a_score_is_what_a_slow_reading_of_the_image_gives(seed, row, column):
    cloud, view = _scene(seed)
    edges, image = depth_edges(cloud.xyz_m, CAMERA, T_CAM_LIDAR), image_edges(view.load_rgb(), 640, 400)
    maps = score_maps(edges, image, CAMERA)
    rotation = turn(TURNS_DEG[row], TURNS_DEG[column])
    shift_m = np.array([SHIFTS_M[row], SHIFTS_M[column], 0.0])
    for found, change in ((maps.turned, lambda p: rotation @ p), (maps.shifted, lambda p: p + shift_m)):
        slow = _slow_scores(edges.xyz_cam_m[edges.is_upright], image.upright, CAMERA, change)
        slow += _slow_scores(edges.xyz_cam_m[~edges.is_upright], image.level, CAMERA, change)
        assert found[row, column] == pytest.approx(slow, rel=1e-4, abs=1e-3)


def test_edges_are_looked_at_some_at_a_time_with_the_same_scores(monkeypatch):
    rng = np.random.default_rng(0)
    places_m = rng.uniform((-3, -2, 5), (3, 2, 30), (50, 3))
    edges, image = DepthEdges(places_m, rng.random(50) < 0.5), image_edges(rng.integers(0, 255, (CAMERA.height, CAMERA.width, 3), np.uint8), CAMERA.width, CAMERA.height)  # fmt: skip
    at_once = score_maps(edges, image, CAMERA)
    monkeypatch.setattr(score_map, "_EDGES_AT_ONCE", 7)
    in_parts = score_maps(edges, image, CAMERA)
    np.testing.assert_allclose(in_parts.turned, at_once.turned, atol=1e-4)
    np.testing.assert_allclose(in_parts.shifted, at_once.shifted, atol=1e-4)


def test_the_reduced_image_has_the_same_pixels_a_degree_whatever_the_lens():
    wide = CameraModel(1920, 1080, np.array([[900.0, 0, 959.5], [0, 900.0, 539.5], [0, 0, 1]]))
    assert reduced(wide).width == 960
    assert reduced(CAMERA).width == CAMERA.width


def test_a_camera_that_is_knocked_on_the_way_is_off_from_then_on():
    cloud, view = _scene(1)
    watch = CameraWatch(frames=20)
    knocked = RigidTransform(turn(1.0, 0.0), np.zeros(3))
    for number in range(8):
        T_cam_lidar = view.T_cam_lidar if number < 4 else knocked @ view.T_cam_lidar
        watch.add(cloud, replace(view, T_cam_lidar=T_cam_lidar, stamp_ns=number))
    parts = watch.over_time("front", 2)
    assert [(first, last) for first, last, _ in parts] == [(0, 3), (4, 7)]
    assert [alignment.verdict for _, _, alignment in parts] == [Verdict.FITS, Verdict.OFF]


def test_only_the_last_frames_are_kept():
    cloud, view = _scene(1)
    watch = CameraWatch(frames=2)
    for _ in range(3):
        watch.add(cloud, view)
    assert watch.frames("front") == 2
