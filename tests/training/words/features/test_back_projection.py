"""Back-projection: where points land, which views keep them, and that streaming sums are means."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.cameras.pairing import point_pixel_pairs
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, BadImage, BadPointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.rgbd.rgbd_folder import RgbdFolder
from offline_training.words.scenes.back_project import back_project, seen_pixels
from offline_training.words.scenes.extract_config import ExtractConfig
from offline_training.words.scenes.voxel_rows import voxel_rows
from tests.recordings import recording
from tests.training.words.features.feature_scenes import CAMERA, HEIGHT, WIDTH, box_depth_m, box_scene

PER_POINT = ExtractConfig(voxel_m=None, occlusion="none", border_px=0)


def _scene(xyz_m, *views):
    cloud = PointCloud(np.asarray(xyz_m, np.float32), np.zeros(len(xyz_m), np.float32), 0, "scene")
    return Sample("scene", cloud, None, class_table("nuscenes16"), views)


def _view(T_cam_scene=None, camera=CAMERA, depth_m=None):
    load_depth_m = None if depth_m is None else lambda: depth_m
    pose = T_cam_scene or RigidTransform.identity()
    return CameraView("camera", camera, pose, 0, lambda: None, load_depth_m=load_depth_m)


def _pixel_numbers(view):
    """(2, H, W): what a pixel says is where it lies."""
    v, u = torch.meshgrid(torch.arange(view.camera.height), torch.arange(view.camera.width), indexing="ij")
    return torch.stack([u, v]).float()


def test_the_corners_of_a_cube_of_known_pose_land_on_known_pixels():
    # A camera 4 m above the cube's middle, looking down: x right, image down = -y of the world, depth = 4 - z.
    T_cam_scene = RigidTransform(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 4.0]))
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    features = back_project(_scene(corners, _view(T_cam_scene)), _pixel_numbers, PER_POINT)
    expected = [
        [round(WIDTH / 2 + 40 * x / (4 - z)), round(HEIGHT / 2 - 40 * y / (4 - z))] for x, y, z in corners.tolist()
    ]
    assert features.per_point().tolist() == expected
    assert expected[0] == [24, 32]  # x = y = z = -1: 40 / 5 = 8 px left of the middle and below it
    assert expected[-1] == [45, 11]


@pytest.mark.parametrize(
    ("z_m", "kept"),
    [(2.0, True), (2.49, True), (2.51, False), (1.51, True), (1.49, False), (4.0, False), (-2.0, False)],
)
def test_a_point_is_kept_within_a_quarter_of_the_measured_depth(z_m, kept):
    view = _view(depth_m=np.full((HEIGHT, WIDTH), 2.0, np.float32))
    config = ExtractConfig(voxel_m=None, border_px=0)
    assert back_project(_scene([[0, 0, z_m]], view), _pixel_numbers, config).visible.tolist() == [kept]


def test_no_measured_depth_keeps_no_point():
    view = _view(depth_m=np.zeros((HEIGHT, WIDTH), np.float32))
    features = back_project(_scene([[0, 0, 1e-3], [0, 0, 2]], view), _pixel_numbers, ExtractConfig(border_px=0))
    assert features.feature.shape[0] == 0
    assert not features.visible.any()
    assert features.per_point().shape[0] == 2


@pytest.mark.parametrize("border", [0, 1, 10])
def test_the_border_is_cut_off_after_rounding_on_each_side(border):
    u_px = np.array([-0.4, border - 0.6, border - 0.4, WIDTH - border - 0.6, WIDTH - border - 0.4])
    xyz_m = CAMERA.unproject(np.column_stack([u_px, np.full(5, HEIGHT / 2)]), np.full(5, 2.0))
    index, pixel_uv = seen_pixels(xyz_m, _view(), ExtractConfig(occlusion="none", border_px=border))
    expected = {2: border, 3: WIDTH - border - 1} | ({0: 0} if border == 0 else {})
    assert dict(zip(index.tolist(), pixel_uv[:, 0].tolist(), strict=True)) == expected


def test_what_lies_in_the_border_still_hides_what_is_behind_it():
    config = ExtractConfig(occlusion="z_buffer", border_px=10, z_buffer_cell_px=4, voxel_m=None)
    near = CAMERA.unproject(np.array([[9.0, 20.0]]), np.array([1.0]))  # cut off itself
    far = CAMERA.unproject(np.array([[10.0, 20.0]]), np.array([3.0]))
    index, _ = seen_pixels(np.concatenate([near, far]).astype(np.float32), _view(), config)
    assert len(index) == 0
    assert len(seen_pixels(far.astype(np.float32), _view(), config)[0]) == 1


def test_the_wall_behind_a_box_takes_nothing_from_the_box():
    sample = box_scene(points=900)
    shadow = sample.cloud.xyz_m[:, 2] > 3.0
    shadow &= np.abs(sample.cloud.xyz_m[:, :2]).max(axis=1) < 0.9  # behind the box, for the first camera
    first = replace(sample, views=sample.views[:1])
    seen = {}
    for occlusion in ("none", "depth"):
        config = ExtractConfig(voxel_m=None, border_px=0, occlusion=occlusion)
        seen[occlusion] = back_project(first, _pixel_numbers, config).visible
    assert seen["none"][shadow].all()
    assert not seen["depth"][shadow].any()
    assert seen["depth"][sample.cloud.xyz_m[:, 2] < 3.0].all()


def test_features_come_from_the_cell_the_pixel_lies_in():
    uv_px = np.array([[0, 0], [15, 0], [16, 0], [63, 47], [0, 23], [0, 24]], float)
    cells = torch.arange(8.0).view(1, 2, 4)  # 16 x 24 pixels each
    features = back_project(_scene(CAMERA.unproject(uv_px, np.full(6, 2.0)), _view()), lambda view: cells, PER_POINT)
    assert features.per_point()[:, 0].tolist() == [0, 0, 1, 7, 0, 4]


def test_a_depth_image_of_another_size_is_read_at_the_nearest_pixel():
    depth_m = box_depth_m(0.0)[::2, ::2]
    sample = box_scene(views=1)
    config = ExtractConfig(voxel_m=None, border_px=0)
    coarse = _scene(sample.cloud.xyz_m, _view(depth_m=depth_m))
    fine = _scene(sample.cloud.xyz_m, _view(depth_m=box_depth_m(0.0)))
    visible = [back_project(each, _pixel_numbers, config).visible for each in (coarse, fine)]
    assert (visible[0] == visible[1]).mean() > 0.95


def _reference(sample, maps, config):
    """The definition in plain Python: for each row the mean over all (point, view) pairs; who sees it; which points count."""
    cells = {}
    row = [
        tuple(np.floor(p.astype(np.float64) / config.voxel_m).astype(int)) if config.voxel_m else i
        for i, p in enumerate(sample.cloud.xyz_m)
    ]
    seen = [False] * len(row)
    for number, (view, feature) in enumerate(zip(sample.views, maps, strict=True)):
        depth = view.load_depth_m()
        for i, p in enumerate(sample.cloud.xyz_m.astype(np.float64)):
            x, y, z = view.T_cam_lidar.rotation @ p + view.T_cam_lidar.translation_m
            if z <= config.min_depth_m:
                continue
            K = view.camera.K
            u, v = round(K[0, 0] * x / z + K[0, 2]), round(K[1, 1] * y / z + K[1, 2])
            border = config.border_px
            if not (border <= u < WIDTH - border and border <= v < HEIGHT - border):
                continue
            if not abs(float(depth[v, u]) - z) <= config.relative_margin * float(depth[v, u]):
                continue
            seen[i] = True
            height, width = feature.shape[1:]
            value = feature[:, int((v + 0.5) * height / HEIGHT), int((u + 0.5) * width / WIDTH)].double().numpy()
            cells.setdefault(row[i], []).append((number, value))
    return row, seen, cells


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 11), st.sampled_from([None, 0.05, 0.4]), st.integers(0, 6))
def test_streaming_sums_are_the_means_of_the_definition(seed, views, voxel_m, border_px):
    sample = box_scene(number=seed, views=views, points=90)
    config = ExtractConfig(voxel_m=voxel_m, border_px=border_px)
    maps = list(torch.randn(views, 5, 12, 16, generator=torch.Generator().manual_seed(seed)))
    of_view = {view.name: feature for view, feature in zip(sample.views, maps, strict=True)}
    features = back_project(sample, lambda view: of_view[view.name], config)
    row, seen, cells = _reference(sample, maps, config)
    assert features.visible.tolist() == seen
    assert len(features.feature) == len(cells)
    seen_by = features.seen_by()
    for i in np.flatnonzero(seen):
        observations = cells[row[i]]
        mine = features.row_of_point[i]
        mean = np.mean([value for _, value in observations], axis=0)
        np.testing.assert_allclose(features.feature[mine], mean, atol=2e-3)
        assert set(np.flatnonzero(seen_by[mine])) == {number for number, _ in observations}


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_the_order_of_the_views_does_not_matter(seed, order):
    sample = box_scene(number=seed, views=5, points=120)
    maps = torch.randn(5, 4, 12, 16, generator=torch.Generator().manual_seed(seed))
    of_view = {view.name: feature for view, feature in zip(sample.views, maps, strict=True)}
    config = ExtractConfig(voxel_m=0.3, border_px=0)
    there = back_project(sample, lambda view: of_view[view.name], config)
    other = replace(sample, views=tuple(sample.views[k] for k in order))
    turned = back_project(other, lambda view: of_view[view.name], config)
    np.testing.assert_array_equal(turned.row_of_point, there.row_of_point)
    np.testing.assert_allclose(turned.feature, there.feature, atol=2e-3)
    np.testing.assert_array_equal(turned.seen_by(), there.seen_by()[:, list(order)])


@given(st.integers(0, 10**6), st.sampled_from([0.01, 0.02, 0.5, 3.0]))
def test_points_share_a_row_when_and_only_when_they_share_a_voxel(seed, voxel_m):
    rng = np.random.default_rng(seed)
    xyz_m = rng.normal(0, 1, (60, 3)).astype(np.float32)
    xyz_m[rng.integers(0, 60, 5)] = np.nan
    row, rows = voxel_rows(xyz_m, voxel_m)
    cells = [tuple(np.floor(p.astype(np.float64) / voxel_m)) if np.isfinite(p).all() else None for p in xyz_m]
    assert rows == len({cell for cell in cells if cell})
    assert [r == -1 for r in row] == [cell is None for cell in cells]
    for i in range(0, 60, 7):
        assert [r == row[i] for r in row] == [cell == cells[i] for cell in cells]


def test_a_scene_too_large_for_its_voxels_is_refused():
    with pytest.raises(BadPointCloud, match=r"20971\.5 m .*voxel_m"):
        voxel_rows(np.array([[3e4, 0, 0]], np.float32), 0.02)


def test_only_views_that_see_something_are_asked_for_and_points_of_no_view_have_no_row():
    away = RigidTransform(np.diag([-1.0, 1.0, -1.0]), np.zeros(3))
    asked = []

    def features_of(view):
        asked.append(view)
        return _pixel_numbers(view)

    sample = _scene([[0, 0, 2], [50, 0, 2], [np.nan, 0, 2]], _view(away), _view())
    features = back_project(sample, features_of, PER_POINT)
    assert asked == [sample.views[1]]
    assert features.row_of_point.tolist() == [0, -1, -1]
    assert features.seen_by().tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("feature", "match"),
    [
        (torch.full((2, 4, 4), float("nan")), "check its weights"),
        (torch.full((2, 4, 4), 7e4), "at most 65504"),
        (torch.zeros(2, 4), r"\(C, h, w\)"),
    ],
)
def test_features_that_mean_nothing_are_refused(feature, match):
    with pytest.raises(BadDataset, match=match):
        back_project(_scene([[0, 0, 2]], _view()), lambda view: feature, PER_POINT)


def test_views_of_one_scene_must_agree_on_the_width():
    sample = _scene([[0, 0, 2]], _view(), _view())
    widths = iter((3, 4))
    with pytest.raises(BadDataset, match=r"C = 3 .*found \(4, 2, 2\)"):
        back_project(sample, lambda view: torch.zeros(next(widths), 2, 2), PER_POINT)


def test_depth_that_is_not_there_is_told_apart_from_depth_that_is_damaged():
    with pytest.raises(BadConfig, match="z_buffer"):
        back_project(_scene([[0, 0, 2]], _view()), _pixel_numbers, ExtractConfig())
    with pytest.raises(BadImage, match="depth image"):
        back_project(_scene([[0, 0, 2]], _view(depth_m=np.zeros((0, 4)))), _pixel_numbers, ExtractConfig())


def test_no_view_and_no_point_is_no_error():
    for sample in (_scene(np.zeros((0, 3))), _scene([[0, 0, 2]]), _scene(np.zeros((0, 3)), _view())):
        features = back_project(sample, _pixel_numbers, PER_POINT)
        assert len(features.row_of_point) == len(sample.cloud)
        assert not features.visible.any()


@pytest.mark.parametrize("wrong", [{"relative_margin": 0.0}, {"border_px": -1}, {"voxel_m": 0.0}, {"components": 0}])
def test_options_that_mean_nothing_are_refused(wrong):
    with pytest.raises(BadConfig, match=next(iter(wrong))):
        validated(ExtractConfig, wrong, "test")


@pytest.fixture(scope="module")
def seven_scenes(test_data):
    return RgbdFolder(recording(test_data, "rgbd_7scenes"), frames=[f"frame-{k:06}" for k in range(0, 175, 25)])


def test_real_depth_of_one_frame_agrees_with_the_next_one_to_millimetres(seven_scenes):
    views = seven_scenes.views(0)
    errors_m = []
    for here, there in pairwise(views):
        depth_m = here.load_depth_m()
        v, u = np.nonzero(depth_m)
        v, u = v[::7], u[::7]
        in_scene_m = here.T_cam_lidar.inverse().apply(here.camera.unproject(np.column_stack([u, v]), depth_m[v, u]))
        pairs = point_pixel_pairs(in_scene_m, [(there.camera, there.T_cam_lidar)], min_depth_m=0.1)
        measured_m = there.load_depth_m()[pairs.pixel_uv[:, 1], pairs.pixel_uv[:, 0]]
        errors_m.append(np.median(np.abs(measured_m - pairs.depth_m)[measured_m > 0]))
    assert max(errors_m) < 0.04  # its SOURCE.md: medians of 6 to 28 mm between frames 25 to 50 apart
    assert min(errors_m) < 0.02


def test_on_real_frames_the_depth_test_removes_pairs_that_disagree_with_the_depth(seven_scenes):
    sample = seven_scenes[0]
    view = sample.views[0]
    depth_m = view.load_depth_m()
    z_m = view.T_cam_lidar.apply(sample.cloud.xyz_m)[:, 2]
    wrong = {}
    for margin in (None, 0.05):
        config = ExtractConfig(relative_margin=margin) if margin else ExtractConfig(occlusion="none")
        index, pixel_uv = seen_pixels(sample.cloud.xyz_m, view, config)
        measured_m = depth_m[pixel_uv[:, 1], pixel_uv[:, 0]]
        wrong[margin] = int(((measured_m > 0) & (np.abs(measured_m - z_m[index]) > 0.15)).sum())
        assert len(index) > 1000
    assert wrong[None] > 100
    assert wrong[0.05] < 0.1 * wrong[None]


def test_real_views_give_every_point_of_their_own_cloud_a_feature(seven_scenes):
    sample = seven_scenes[0]
    features = back_project(sample, lambda view: torch.ones(2, 3, 4), ExtractConfig())
    assert features.visible.mean() > 0.8
    assert len(features.feature) <= features.visible.sum()
    assert (features.seen_by().sum(axis=1) >= 1).all()
    assert (features.per_point()[features.visible] == 1.0).all()
