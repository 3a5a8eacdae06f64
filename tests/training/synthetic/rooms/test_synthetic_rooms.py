"""Synthetic rooms as a data set: clouds, views and truth, and the commands that look at them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig, BadDataset

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.datasets.check_data import check_data
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.rgbd.files.synthetic_room_files import truth_image
from offline_training.datasets.rgbd.synthetic_rooms import RoomSpec, SyntheticRooms, SyntheticRoomsSource
from offline_training.toys.room_sheet import main as draw_sheet
from offline_training.toys.room_sheet import room_sheet
from tests.training.synthetic.rooms.kept_rooms import EXACT, NOISY, SEEDS, room

SYNTHETIC_ROOMS = class_table("synthetic_rooms")
WALL, FLOOR, CEILING = 0, 1, 2


def test_a_room_is_a_cloud_with_colors_and_labels_and_rgb_d_views(data):
    sample = data[0]
    cloud = sample.cloud
    assert sample.name == "room_00100"
    assert len(cloud) > 3000
    assert cloud.extra["rgb"].shape == (len(cloud), 3)
    assert cloud.extra["rgb"].dtype == np.uint8
    assert cloud.extra["rgb"].std() > 10
    assert not cloud.intensity.any()
    assert_array_equal(sample.class_id, cloud.extra["label"])
    assert [view.name for view in sample.views] == [f"{number:03d}" for number in range(6)]
    for view, (rgb, class_id) in zip(sample.views, data.pictures_with_classes(0), strict=True):
        assert rgb.shape == (72, 96, 3)
        assert_array_equal(view.load_rgb(), rgb)
        assert_array_equal(data.true_class_image(view), class_id)
        assert class_id.dtype == np.uint8
        assert set(np.unique(class_id)) <= {*range(14), 255}
        depth_m = view.load_depth_m()
        assert depth_m.dtype == np.float32
        assert depth_m.shape == (72, 96)
        assert (depth_m > 0.1).all()
        assert view.read_bytes()[:3] == b"\xff\xd8\xff"
        assert view.file.endswith(f"/{view.name}.jpg")


@pytest.mark.parametrize("seed", SEEDS)
def test_points_lie_where_their_class_is(data, seed):
    sample = data[SEEDS.index(seed)]
    xyz_m, size_m = sample.cloud.xyz_m, room(seed).size_m
    assert_allclose(xyz_m[sample.class_id == FLOOR, 2], 0.0, atol=2e-3)
    assert_allclose(xyz_m[sample.class_id == CEILING, 2], size_m[2], atol=2e-3)
    on_wall = xyz_m[sample.class_id == WALL]
    to_wall_m = np.abs(size_m[:2] / 2 - np.abs(on_wall[:, :2])).min(axis=1)
    assert np.percentile(to_wall_m, 99) < 0.12  # reveals of doors and windows lie deeper than the wall
    assert (np.abs(xyz_m[:, :2]) < size_m[:2] / 2 + 0.12).all()


def test_noise_moves_points_off_their_surfaces_by_centimetres(noisy):
    sample = noisy[0]
    height_m = sample.cloud.xyz_m[sample.class_id == FLOOR, 2]
    assert 0.002 < height_m.std() < 0.04
    assert abs(height_m.mean()) < 0.01


@pytest.mark.parametrize(("spec", "depth_share"), [(EXACT, 0.02), (NOISY, 0.06)])
def test_points_that_a_view_sees_have_the_class_color_and_depth_of_their_pixel(folder, spec, depth_share):
    data = SyntheticRooms(SEEDS, folder, spec)
    for index in range(2):
        sample = data[index]
        same_class, color_off, seen = 0, [], 0
        for view in sample.views:
            uv_px, depth_m, inside = view.camera.project(view.T_cam_lidar.apply(sample.cloud.xyz_m))
            u, v = np.round(uv_px[inside]).astype(int).T
            pixel_depth_m = view.load_depth_m()[v, u]
            visible = np.abs(pixel_depth_m - depth_m[inside]) < depth_share * depth_m[inside]
            rows, u, v = np.flatnonzero(inside)[visible], u[visible], v[visible]
            same_class += (data.true_class_image(view)[v, u] == sample.class_id[rows]).sum()
            color_off.append(np.abs(view.load_rgb()[v, u].astype(int) - sample.cloud.extra["rgb"][rows]).mean(axis=1))
            seen += len(rows)
        assert seen > 0.9 * len(sample.cloud)
        assert same_class / seen > 0.97
        assert np.median(np.concatenate(color_off)) < 25  # exposure differs from view to view


def test_every_instance_is_of_one_class_in_points_and_pixels(data, folder):
    sample = data[1]
    for instance in np.unique(sample.cloud.extra["instance"]):
        assert len(np.unique(sample.class_id[sample.cloud.extra["instance"] == instance])) == 1
    for view in sample.views:
        instances, class_id = truth_image(folder, view) & 0xFF, data.true_class_image(view)
        assert instances.dtype == np.uint16
        assert instances.min() >= 1
        for instance in np.unique(instances):
            assert len(np.unique(class_id[instances == instance])) == 1


def test_a_seed_gives_the_same_room_again_and_another_seed_another(data, tmp_path):
    again = SyntheticRooms([100], tmp_path, EXACT)[0]
    assert_array_equal(again.cloud.xyz_m, data[0].cloud.xyz_m)
    assert_array_equal(again.class_id, data[0].class_id)
    for view, same in zip(again.views, data[0].views, strict=True):
        assert view.read_bytes() == same.read_bytes()
        assert_array_equal(view.T_cam_lidar.matrix(), same.T_cam_lidar.matrix())
    assert len(data[0].cloud) != len(data[1].cloud)
    assert not np.array_equal(data[0].views[0].load_rgb(), data[1].views[0].load_rgb())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"views": 0}, "views: expected 1 to 1000"),
        ({"views": 1001}, "views: expected 1 to 1000"),
        ({"image_width": 16}, "image width: expected 32 to 2048"),
        ({"image_width": 5000}, "image width: expected 32 to 2048"),
    ],
)
def test_scans_nobody_can_use_are_refused(changes, told):
    with pytest.raises(BadConfig, match=told):
        RoomSpec(**changes)


@pytest.mark.parametrize("index", [-1, 2])
def test_there_is_no_room_beyond_the_last(data, index):
    with pytest.raises(IndexError, match="the data set has 2"):
        data[index]


def test_a_run_names_rooms_as_a_data_source(folder):
    source = SyntheticRoomsSource(
        folder=str(folder), first_seed=100, views_per_room=6, image_width=96, depth_noise=False
    )
    rooms = open_source(source, SYNTHETIC_ROOMS)
    assert len(rooms) == 1
    assert rooms[0].name == "room_00100"
    with pytest.raises(BadConfig, match="expected classes nuscenes16, found synthetic_rooms"):
        open_source(source, class_table("nuscenes16"))
    with pytest.raises(BadConfig, match="expected at least one scan, found none"):
        open_source(source.model_copy(update={"rooms": 0}), SYNTHETIC_ROOMS)
    with pytest.raises(BadConfig, match="views: expected 1 to 1000"):
        open_source(source.model_copy(update={"views_per_room": 0}), SYNTHETIC_ROOMS)


def test_check_data_tells_what_a_folder_of_rooms_holds(folder, tmp_path):
    source = SyntheticRoomsSource(
        folder=str(folder), first_seed=100, views_per_room=6, image_width=96, depth_noise=False
    )
    told = "\n".join(check_data(source))
    assert "views.npz" in told
    assert "scans 1, pictures 6" in told
    assert "room_00100: 000 96x72" in told
    with pytest.raises(BadDataset, match="expected cached scans"):
        list(check_data(source.model_copy(update={"folder": str(tmp_path)})))


def test_a_sheet_shows_each_room_in_color_and_class(data):
    sheet = room_sheet(data, views=3)
    assert sheet.shape == (2 * 2 * 76 + 40, 72 + 3 * 96 + 4 * 4, 3)
    assert sheet.dtype == np.uint8
    classes = sheet[76:148, 76 : 76 + 96].reshape(-1, 3)
    known = {tuple(color) for color in SYNTHETIC_ROOMS.colors_rgb.tolist()} | {(0, 0, 0)}
    assert {tuple(color) for color in classes.tolist()} <= known


def test_the_command_draws_a_sheet_or_says_why_not(tmp_path, capsys):
    out = tmp_path / "sheet.png"
    assert draw_sheet(["--out", str(out), "--seed", "100", "--rooms", "1", "--views", "2", "--image-width", "32"]) == 0
    assert out.read_bytes()[:4] == b"\x89PNG"
    assert draw_sheet(["--out", str(out), "--image-width", "7"]) == 2
    assert "expected 32 to 2048" in capsys.readouterr().err
