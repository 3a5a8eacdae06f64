"""Posed RGB-D folders: both layouts, their views and clouds, real 7-Scenes and NYU pictures."""

import pickle

import numpy as np
import pytest

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.ply import ply_bytes
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.rgbd.rgbd_folder import RgbdFolder, RgbdFolderSource
from tests.recordings import recording
from tests.written.rgbd_scenes import (  # fmt: skip
    HEIGHT,
    LOST,
    ROOM_M,
    WALL_RGB,
    WIDTH,
    K,
    room_images,
    save,
    turned_pose,
    write_exported,
    write_seven_scenes,
)

NYU_13 = class_table("nyu13")
SCANNET_20 = class_table("scannet20")


def test_a_scene_is_all_points_of_the_room_with_its_frames_as_views(tmp_path):
    sample = RgbdFolder(write_seven_scenes(tmp_path / "room"))[0]
    assert sample.name == "room"
    assert [view.name for view in sample.views] == [f"frame-{number:06d}" for number in range(8)]
    assert sample.views[3].file == "frame-000003.color.png"
    xyz_m = sample.cloud.xyz_m
    to_wall_m = np.minimum(np.abs(xyz_m), np.abs(xyz_m - ROOM_M)).min(axis=1)
    assert to_wall_m.max() < 0.011  # a voxel that holds both sides of a corner has its mean off both walls
    assert np.quantile(to_wall_m, 0.9) < 0.001
    assert not sample.cloud.intensity.any()


def test_points_have_the_colour_of_their_wall(tmp_path):
    cloud = RgbdFolder(write_seven_scenes(tmp_path))[0].cloud
    on_far_wall = (cloud.xyz_m[:, 0] > ROOM_M[0] - 0.001) & (cloud.xyz_m[:, 2] > 0.1) & (cloud.xyz_m[:, 2] < 2.4)
    middle = on_far_wall & (np.abs(cloud.xyz_m[:, 1] - 1.5) < 1.0)
    assert middle.sum() > 50
    assert (cloud.extra["rgb"][middle] == WALL_RGB[1]).all()


def test_points_of_a_scene_project_onto_pixels_of_their_depth(tmp_path):
    sample = RgbdFolder(write_seven_scenes(tmp_path))[0]
    for view in sample.views:
        uv_px, z_m, visible = view.camera.project(view.T_cam_lidar.apply(sample.cloud.xyz_m))
        u, v = np.rint(uv_px[visible]).astype(int).T
        assert np.median(np.abs(view.load_depth_m()[v, u] - z_m[visible])) < 0.02


def test_both_layouts_of_one_scene_give_the_same_sample(tmp_path):
    flat, exported = RgbdFolder(write_seven_scenes(tmp_path / "a"))[0], RgbdFolder(write_exported(tmp_path / "b"))[0]
    assert np.array_equal(flat.cloud.xyz_m, exported.cloud.xyz_m)
    assert [view.name for view in exported.views] == [str(number) for number in range(8)]
    for one, other in zip(flat.views, exported.views, strict=True):
        assert np.allclose(one.T_cam_lidar.matrix(), other.T_cam_lidar.matrix())
        assert np.array_equal(one.load_rgb(), other.load_rgb())
        assert np.array_equal(one.load_depth_m(), other.load_depth_m())


def test_frames_are_in_the_order_of_their_numbers_not_of_their_names(tmp_path):
    dataset = RgbdFolder(write_exported(tmp_path / "a", 12))
    assert [view.name for view in dataset.views(0)][8:] == ["8", "9", "10", "11"]


@pytest.mark.parametrize(
    "matrix",
    [LOST, np.full((4, 4), np.nan), 1.1 * np.eye(4), np.diag([1.0, 1.0, -1.0, 1.0]), np.eye(4) + np.eye(4, k=-3)],
    ids=["infinite", "not a number", "scaled", "mirrored", "transposed"],
)
def test_a_frame_whose_pose_means_nothing_is_left_out_and_counted(matrix, tmp_path):
    folder = write_seven_scenes(tmp_path)
    np.savetxt(folder / "frame-000002.pose.txt", matrix)
    dataset = RgbdFolder(folder)
    assert "frame-000002" not in [view.name for view in dataset[0].views]
    assert (len(dataset[0].views), dataset.skipped_views(0)) == (7, 1)


def test_scenes_lie_one_or_two_folders_below_and_share_intrinsics_above(tmp_path):
    for name in ("chess/seq-01", "chess/seq-02", "office"):
        (write_seven_scenes(tmp_path / name, 2) / "camera-intrinsics.txt").unlink()
    np.savetxt(tmp_path / "camera-intrinsics.txt", K)
    assert [name for name, _ in RgbdFolder(tmp_path).scenes] == ["chess/seq-01", "chess/seq-02", "office"]
    chosen = RgbdFolder(tmp_path, ["chess/seq-02"], ["frame-000001"])
    assert [(sample.name, len(sample.views)) for sample in (chosen[0],)] == [("chess/seq-02", 1)]
    assert chosen.views(0)[0].file == "chess/seq-02/frame-000001.color.png"


def test_every_nth_view_is_taken_when_asked(tmp_path):
    folder = write_seven_scenes(tmp_path)
    dataset = open_source(RgbdFolderSource(folder=str(folder), view_step=3), SCANNET_20)
    assert [view.name[-1] for view in dataset[0].views] == ["0", "3", "6"]


def test_depth_of_half_the_size_is_given_at_the_size_of_the_colours(tmp_path):
    folder = write_seven_scenes(tmp_path, 4)
    half = CameraModel(WIDTH, HEIGHT, K).scaled(WIDTH // 2, HEIGHT // 2)
    for number in range(4):
        _, depth_m = room_images(turned_pose(np.pi / 2 * number), half)
        save(folder / f"frame-{number:06d}.depth.png", np.rint(1000 * depth_m).astype(np.uint16))
    sample = RgbdFolder(folder)[0]
    assert sample.views[0].load_depth_m().shape == (HEIGHT, WIDTH)
    to_wall_m = np.minimum(np.abs(sample.cloud.xyz_m), np.abs(sample.cloud.xyz_m - ROOM_M)).min(axis=1)
    assert np.quantile(to_wall_m, 0.9) < 0.001  # fused by the camera of the depth images as they are


def test_the_points_of_a_ply_take_the_place_of_fused_ones_and_bring_the_truth(tmp_path):
    folder = write_seven_scenes(tmp_path, 2)
    columns = {name: np.arange(3, dtype=np.float32) for name in "xyz"}
    columns |= {name: np.full(3, 7, np.uint8) for name in ("red", "green", "blue")}
    (folder / "room.ply").write_bytes(ply_bytes({**columns, "nyu": np.array([1, 39, 40], np.uint16)}))
    assert RgbdFolder(folder)[0].class_id is None
    source = RgbdFolderSource(folder=str(folder), label_field="nyu", label_table="scannet")
    sample = open_source(source, SCANNET_20)[0]
    assert sample.class_id.tolist() == [0, 19, 255]
    assert sample.cloud.extra["rgb"].tolist() == [[7, 7, 7]] * 3


def test_a_data_set_and_its_views_travel_to_other_processes(tmp_path):
    dataset = RgbdFolder(write_seven_scenes(tmp_path, 3))
    first = dataset[0]
    again = pickle.loads(pickle.dumps(dataset))[0]
    assert np.array_equal(again.cloud.xyz_m, first.cloud.xyz_m)
    assert np.array_equal(again.views[1].load_rgb(), first.views[1].load_rgb())


def test_frames_of_7_scenes_agree_in_millimetres(test_data):
    views = RgbdFolder(recording(test_data, "rgbd_7scenes")).views(0)
    medians_m, overlaps = [], []
    for place in range(0, len(views) - 1, max(1, len(views) // 6)):
        here, there = views[place], views[place + 1]
        depth_m, other_m = here.load_depth_m(), there.load_depth_m()
        v, u = (part[::7] for part in np.nonzero(depth_m))
        T_there_here = there.T_cam_lidar @ here.T_cam_lidar.inverse()
        seen_m = T_there_here.apply(here.camera.unproject(np.stack((u, v), axis=1), depth_m[v, u]))
        uv_px, z_m, visible = there.camera.project(seen_m)
        columns, rows = np.rint(uv_px[visible]).astype(int).T
        measured_m = other_m[rows, columns]
        known = measured_m > 0
        overlaps.append(visible.mean())
        medians_m.append(np.median(np.abs(measured_m - z_m[visible])[known]))
    assert max(medians_m) < 0.030  # stated: 6 to 28 mm between frames 25 to 50 apart
    assert min(overlaps) > 0.5  # stated: 66 to 94 %


def test_nyu_pictures_are_scenes_of_13_classes(test_data):
    folder = recording(test_data, "rgbd_nyuv2")
    source = RgbdFolderSource(folder=str(folder), label_table="nyuv2_13")
    sample = open_source(source, NYU_13)[0]
    (view,) = sample.views
    depth_m = view.load_depth_m()
    assert len(sample.cloud) == (depth_m > 0).sum()
    uv_px, z_m, visible = view.camera.project(view.T_cam_lidar.apply(sample.cloud.xyz_m))
    v, u = np.nonzero(depth_m > 0)
    assert visible.all()
    assert np.allclose(uv_px, np.stack((u, v), axis=1), atol=0.01)
    assert np.allclose(z_m, depth_m[v, u], atol=1e-5)
    assert sample.cloud.xyz_m[:, 0].min() > 0  # x is forward
    assert np.array_equal(sample.cloud.extra["rgb"], view.load_rgb()[v, u])
    named = set(NYU_13.names[k] for k in np.unique(sample.class_id[sample.class_id != 255]))
    assert len(named) >= 2
    if sample.name == "0001":
        assert np.median(depth_m[depth_m > 0]) == pytest.approx(3.004, abs=0.002)
        assert named == {"wall", "furniture", "objects", "ceiling", "chair", "floor", "table"}
    assert open_source(RgbdFolderSource(folder=str(folder)), SCANNET_20)[0].class_id is None
