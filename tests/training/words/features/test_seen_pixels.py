"""Back-projection: on which pixels points land, and which of them a view keeps."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from lidar_vl_core.cameras.pairing import point_pixel_pairs
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.rgbd.rgbd_folder import RgbdFolder
from offline_training.words.scenes.back_project import back_project, seen_pixels
from offline_training.words.scenes.extract_config import ExtractConfig
from tests.recordings import recording
from tests.training.words.features.feature_scenes import CAMERA, HEIGHT, WIDTH, box_depth_m, box_scene
from tests.training.words.features.one_view_scenes import PER_POINT, pixel_numbers, scene_of, view_of


def test_the_corners_of_a_cube_of_known_pose_land_on_known_pixels():
    # A camera 4 m above the cube's middle, looking down: x right, image down = -y of the world, depth = 4 - z.
    T_cam_scene = RigidTransform(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 4.0]))
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    features = back_project(scene_of(corners, view_of(T_cam_scene)), pixel_numbers, PER_POINT)
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
    view = view_of(depth_m=np.full((HEIGHT, WIDTH), 2.0, np.float32))
    config = ExtractConfig(voxel_m=None, border_px=0)
    assert back_project(scene_of([[0, 0, z_m]], view), pixel_numbers, config).visible.tolist() == [kept]


def test_no_measured_depth_keeps_no_point():
    view = view_of(depth_m=np.zeros((HEIGHT, WIDTH), np.float32))
    features = back_project(scene_of([[0, 0, 1e-3], [0, 0, 2]], view), pixel_numbers, ExtractConfig(border_px=0))
    assert features.feature.shape[0] == 0
    assert not features.visible.any()
    assert features.per_point().shape[0] == 2


@pytest.mark.parametrize("border", [0, 1, 10])
def test_the_border_is_cut_off_after_rounding_on_each_side(border):
    u_px = np.array([-0.4, border - 0.6, border - 0.4, WIDTH - border - 0.6, WIDTH - border - 0.4])
    xyz_m = CAMERA.unproject(np.column_stack([u_px, np.full(5, HEIGHT / 2)]), np.full(5, 2.0))
    index, pixel_uv = seen_pixels(xyz_m, view_of(), ExtractConfig(occlusion="none", border_px=border))
    expected = {2: border, 3: WIDTH - border - 1} | ({0: 0} if border == 0 else {})
    assert dict(zip(index.tolist(), pixel_uv[:, 0].tolist(), strict=True)) == expected


def test_what_lies_in_the_border_still_hides_what_is_behind_it():
    config = ExtractConfig(occlusion="z_buffer", border_px=10, z_buffer_cell_px=4, voxel_m=None)
    near = CAMERA.unproject(np.array([[9.0, 20.0]]), np.array([1.0]))  # cut off itself
    far = CAMERA.unproject(np.array([[10.0, 20.0]]), np.array([3.0]))
    index, _ = seen_pixels(np.concatenate([near, far]).astype(np.float32), view_of(), config)
    assert len(index) == 0
    assert len(seen_pixels(far.astype(np.float32), view_of(), config)[0]) == 1


def test_the_wall_behind_a_box_takes_nothing_from_the_box():
    sample = box_scene(points=900)
    shadow = sample.cloud.xyz_m[:, 2] > 3.0
    shadow &= np.abs(sample.cloud.xyz_m[:, :2]).max(axis=1) < 0.9  # behind the box, for the first camera
    first = replace(sample, views=sample.views[:1])
    seen = {}
    for occlusion in ("none", "depth"):
        config = ExtractConfig(voxel_m=None, border_px=0, occlusion=occlusion)
        seen[occlusion] = back_project(first, pixel_numbers, config).visible
    assert seen["none"][shadow].all()
    assert not seen["depth"][shadow].any()
    assert seen["depth"][sample.cloud.xyz_m[:, 2] < 3.0].all()


def test_features_come_from_the_cell_the_pixel_lies_in():
    uv_px = np.array([[0, 0], [15, 0], [16, 0], [63, 47], [0, 23], [0, 24]], float)
    cells = torch.arange(8.0).view(1, 2, 4)  # 16 x 24 pixels each
    features = back_project(
        scene_of(CAMERA.unproject(uv_px, np.full(6, 2.0)), view_of()), lambda view: cells, PER_POINT
    )
    assert features.per_point()[:, 0].tolist() == [0, 0, 1, 7, 0, 4]


def test_a_depth_image_of_another_size_is_read_at_the_nearest_pixel():
    depth_m = box_depth_m(0.0)[::2, ::2]
    sample = box_scene(views=1)
    config = ExtractConfig(voxel_m=None, border_px=0)
    coarse = scene_of(sample.cloud.xyz_m, view_of(depth_m=depth_m))
    fine = scene_of(sample.cloud.xyz_m, view_of(depth_m=box_depth_m(0.0)))
    visible = [back_project(each, pixel_numbers, config).visible for each in (coarse, fine)]
    assert (visible[0] == visible[1]).mean() > 0.95


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
