"""Pictures: what lies where, in which colour, over what."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.drawing.bird_eye_view import bird_eye_view, fitting_half_width_m
from lidar_vl_core.drawing.camera_overlay import Coloring, camera_overlay
from lidar_vl_core.drawing.figures import in_rows, legend, load_pictures, overlay_figure, top_view_figure
from lidar_vl_core.drawing.palette import RIGHT_RGB, UNKNOWN_RGB, WRONG_RGB, class_colors, error_colors
from lidar_vl_core.foundation.errors import BadImage
from lidar_vl_core.geometry.rigid_transform import RigidTransform

NUSCENES_16 = class_table("nuscenes16")

RED, BLUE = (255, 0, 0), (0, 0, 255)
# x of the LiDAR is forward, y left, z up; the camera's z is forward, x right, y down.
OPTICAL_FROM_LIDAR = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
FORWARD_CAMERA = CameraModel(
    width=640, height=480, K=np.array([[320.0, 0, 320], [0, 320, 240], [0, 0, 1]]), model="pinhole", D=()
)


def _looking(yaw_rad: float) -> RigidTransform:
    """T_cam_lidar of a camera at the LiDAR's place, turned to the left by yaw."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    T_lidar_turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    return RigidTransform(OPTICAL_FROM_LIDAR @ T_lidar_turned.T, np.zeros(3))


def _view(name: str, yaw_rad: float = 0.0, size: tuple[int, int] = (480, 640)) -> CameraView:
    return CameraView(name, FORWARD_CAMERA, _looking(yaw_rad), 0, lambda: np.full((*size, 3), 200, np.uint8))


@pytest.mark.parametrize("classes", [NUSCENES_16, class_table("semantic_kitti19")], ids=lambda table: table.name)
def test_every_class_colour_is_darker_than_paper(classes) -> None:
    luma = class_colors(classes)[: len(classes)] @ np.array((0.299, 0.587, 0.114))
    assert luma.max() < 190


def test_an_id_without_a_class_has_the_colour_of_no_answer() -> None:
    colors = class_colors(NUSCENES_16)
    assert tuple(colors[IGNORE_ID]) == UNKNOWN_RGB
    assert tuple(colors[100]) == UNKNOWN_RGB


def test_wrong_points_are_red_right_ones_grey_and_unknown_truth_is_neither() -> None:
    colors, priority = error_colors(np.array([3, 3, IGNORE_ID, 3]), np.array([3, 4, 4, IGNORE_ID]))
    assert [tuple(color) for color in colors] == [RIGHT_RGB, WRONG_RGB, WRONG_RGB, UNKNOWN_RGB]
    assert priority[1] == priority[2] > priority[0] > priority[3]


@pytest.mark.parametrize(
    ("xyz_m", "column", "row"),
    [((30.0, 0.0, 0.0), 100, 25), ((-30.0, 0.0, 0.0), 100, 175), ((0.0, 30.0, 0.0), 25, 100), ((0.0, -30.0, 0.0), 175, 100)],
    ids=["forward is up", "back is down", "left is left", "right is right"],
)  # fmt: skip
def test_a_point_is_drawn_where_it_lies(xyz_m, column: int, row: int) -> None:
    picture = bird_eye_view(np.array([xyz_m], np.float32), np.array([RED], np.uint8), half_width_m=40.0, size_px=200)
    reddish = np.argwhere(np.asarray(picture).astype(int)[..., 1] < 200)
    reddish = reddish[np.abs(reddish - (row, column)).max(axis=1) < 8]  # the vehicle and the scale bar are dark, too
    assert len(reddish)
    assert np.abs(reddish.mean(axis=0) - (row, column)).max() <= 1


def test_an_error_is_not_hidden_by_a_right_point_above_it() -> None:
    xyz_m = np.array([[10.0, 10.0, 0.0], [10.0, 10.0, 5.0]], np.float32)
    colors = np.array([RED, BLUE], np.uint8)
    plain = np.asarray(bird_eye_view(xyz_m, colors, 20.0, 100))
    ranked = np.asarray(bird_eye_view(xyz_m, colors, 20.0, 100, priority=np.array([2, 1])))
    assert tuple(plain[25, 25]) == BLUE
    assert tuple(ranked[25, 25]) == RED


@given(
    st.lists(st.tuples(*[st.floats(width=32, allow_nan=True, allow_infinity=True)] * 3), max_size=20),
    st.integers(0, 255),
)
def test_any_points_can_be_drawn_from_above(points, class_id: int) -> None:
    xyz_m = np.array(points, np.float32).reshape(-1, 3)
    prediction = np.full(len(xyz_m), class_id, np.uint8)
    figure = top_view_figure(xyz_m, prediction, prediction, NUSCENES_16, panel_px=64)
    assert figure.size[0] == 3 * 64 + 2 * 10
    assert 30.0 <= fitting_half_width_m(xyz_m) <= 60.0


def test_a_room_fills_the_picture_from_above_and_a_street_stays_around_the_vehicle() -> None:
    rng = np.random.default_rng(0)
    room_m = rng.uniform([2.0, 4.0, 0.0], [8.0, 10.0, 2.0], (5000, 3)).astype(np.float32)
    for xyz_m, has_vehicle in ((room_m, False), (room_m * np.float32(5.0), True)):
        figure = np.asarray(top_view_figure(xyz_m, np.zeros(5000, np.uint8), None, NUSCENES_16, panel_px=200))
        assert has_vehicle or (figure[22:180] < 200).any(axis=(0, 2)).mean() > 0.7  # of its columns
        middle = figure[-200:][90:110, 90:110]
        assert (middle.max(axis=2) < 60).any() == has_vehicle


def test_a_point_is_drawn_into_the_picture_where_the_camera_sees_it() -> None:
    xyz_m = np.array([[10.0, 0.0, 0.0], [-10.0, 0.0, 0.0]], np.float32)
    picture = np.full((480, 640, 3), 200, np.uint8)
    colorings = [Coloring(np.array([RED, BLUE], np.uint8)), Coloring(np.array([BLUE, RED], np.uint8))]
    red_first, blue_first = camera_overlay(picture, FORWARD_CAMERA, _looking(0.0), xyz_m, colorings, width_px=320)
    assert red_first.size == (320, 240)
    center = np.asarray(red_first)[120, 160].astype(int)
    assert center[0] > center[2] + 100
    assert (
        np.asarray(blue_first).astype(int)[..., 0] <= np.asarray(blue_first).astype(int)[..., 2]
    ).all()  # none behind


def test_a_point_behind_a_nearer_one_is_not_drawn() -> None:
    xyz_m = np.array([[5.0, 0.0, 0.0], [50.0, 0.05, 0.0]], np.float32)
    picture = np.zeros((480, 640, 3), np.uint8)
    (overlay,) = camera_overlay(
        picture, FORWARD_CAMERA, _looking(0.0), xyz_m, [Coloring(np.array([RED, BLUE], np.uint8), np.array([1, 9]))]
    )
    assert np.asarray(overlay)[..., 2].max() == 0


def test_a_camera_whose_picture_cannot_be_used_is_left_out_and_named() -> None:
    def broken() -> np.ndarray:
        raise BadImage("data: expected a JPEG, found 3 bytes. Record it again.")

    views = [
        _view("front"),
        _view("small", size=(240, 320)),
        CameraView("cut", FORWARD_CAMERA, _looking(0.0), 0, broken),
    ]
    pictures, problems = load_pictures(views)
    assert [view.name for view, _ in pictures] == ["front"]
    assert problems == [
        "camera small: expected images of 640 x 480 pixels as the calibration says, found 320 x 240. "
        "Give the calibration of these images, with binning and region of interest.",
        "camera cut: data: expected a JPEG, found 3 bytes. Record it again.",
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7])
def test_any_number_of_cameras_makes_one_sheet(count: int) -> None:
    pictures, _ = load_pictures([_view(f"camera {k}", yaw_rad=k) for k in range(count)])
    xyz_m = np.random.default_rng(1).uniform(-20, 20, (200, 3)).astype(np.float32)
    truth = np.zeros(200, np.uint8)
    sheet = overlay_figure(pictures, xyz_m, truth, truth, NUSCENES_16, width_px=80)
    columns, rows = min(count, 3), -(-count // 3) * 2
    assert sheet.size == (columns * 80 + (columns - 1) * 10, rows * (60 + 22) + (rows - 1) * 10)


def test_the_front_camera_stands_between_front_left_and_front_right() -> None:
    from lidar_vl_core.drawing.figures import as_seen_from_the_seat

    yaw_deg = {"back": 180, "front_right": -55, "left": 110, "front": 0, "right": -110, "front_left": 55}
    pictures, _ = load_pictures([_view(name, np.radians(yaw)) for name, yaw in yaw_deg.items()])
    names = [view.name for view, _ in as_seen_from_the_seat(pictures, 3)]
    assert names == ["front_left", "front", "front_right", "left", "back", "right"]


def test_the_legend_names_what_is_shown_and_grows_with_it() -> None:
    few = legend(NUSCENES_16, np.array([3, 3], np.uint8), 300)
    many = legend(NUSCENES_16, np.array([*range(16), IGNORE_ID], np.uint8), 300, with_errors=True)
    assert few.width == many.width == 300
    assert many.height > few.height
    assert (np.asarray(few) == class_colors(NUSCENES_16)[3]).all(axis=2).any()


def test_pictures_of_different_size_are_laid_out_without_overlap() -> None:
    from PIL import Image

    sheet = in_rows(
        [Image.new("RGB", (10, 20), RED), Image.new("RGB", (30, 5), BLUE), Image.new("RGB", (8, 8), RED)], 2
    )
    pixels = np.asarray(sheet)
    assert sheet.size == (50, 38)
    assert (pixels == RED).all(axis=2).sum() == 10 * 20 + 8 * 8
    assert (pixels == BLUE).all(axis=2).sum() == 30 * 5
