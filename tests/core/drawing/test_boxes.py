"""Boxes in pictures: where they lie, in which order, and which end is the front."""

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.drawing.box_figures import boxes_from_above_figure, boxes_in_cameras_figure
from lidar_vl_core.drawing.box_lines import with_boxes_from_above, with_boxes_in_camera
from lidar_vl_core.geometry.rigid_transform import RigidTransform

RED, BLUE = np.array([[255, 0, 0]], np.uint8), np.array([[0, 0, 255]], np.uint8)
CLASSES = ClassTable("two", ("car", "pedestrian"), np.array([[200, 0, 0], [0, 0, 200]], np.uint8))
CAMERA = CameraModel(640, 480, np.array([[320.0, 0, 319.5], [0, 320, 239.5], [0, 0, 1]]))
T_CAM_LIDAR = RigidTransform(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), np.zeros(3))


def _box(x: float, y: float = 0.0, yaw: float = 0.0, length: float = 4.0, width: float = 2.0) -> np.ndarray:
    return np.array([[x, y, 0.0, length, width, 1.5, yaw]])


def _red(picture: Image.Image) -> np.ndarray:
    """(H, W) bool of pixels that are more red than blue."""
    pixels = np.asarray(picture).astype(int)
    return pixels[..., 0] > pixels[..., 2] + 40


def _extent(mask: np.ndarray) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])]


def test_from_above_a_box_is_drawn_where_it_stands_and_its_front_sticks_out() -> None:
    white = Image.new("RGB", (200, 200), "white")
    drawn = _red(with_boxes_from_above(white, _box(10.0, 5.0), RED, half_width_m=20.0))
    # 5 px per metre, x up and y left: rows 40 to 60, and 2.5 px of the line to the front; columns 70 to 80.
    np.testing.assert_allclose(_extent(drawn), [37, 60, 70, 80], atol=1)
    assert drawn[36:39].any(axis=0).sum() <= 3
    assert not _red(white).any()


@pytest.mark.parametrize(("yaw", "side"), [(np.pi / 2, "left"), (-np.pi / 2, "right")])
def test_from_above_a_turned_box_heads_to_its_side(yaw: float, side: str) -> None:
    drawn = _red(with_boxes_from_above(Image.new("RGB", (200, 200), "white"), _box(0.0, 0.0, yaw), RED, 20.0))
    top, bottom, left, right = _extent(drawn)
    assert abs(bottom - top - 10) <= 2
    assert (100 - left > right - 100) == (side == "left")


def test_boxes_far_outside_and_no_boxes_leave_the_picture_as_it_is() -> None:
    white = Image.new("RGB", (50, 50), "white")
    far = np.vstack([_box(1e9), _box(-1e9, 1e12)])
    assert np.asarray(with_boxes_from_above(white, far, np.repeat(RED, 2, axis=0), 20.0)).min() == 255
    assert np.asarray(with_boxes_from_above(white, np.zeros((0, 7)), RED[:0], 20.0)).min() == 255
    assert np.asarray(with_boxes_in_camera(white, CAMERA, T_CAM_LIDAR, np.zeros((0, 7)), RED[:0])).min() == 255


def test_in_a_camera_a_box_is_drawn_around_what_it_holds() -> None:
    black = Image.new("RGB", (640, 480))
    drawn = _red(with_boxes_in_camera(black, CAMERA, T_CAM_LIDAR, _box(10.0), RED))
    # The near face, 8 m away, is 2 m wide and 1.5 m high: 80 by 60 pixels around the middle.
    np.testing.assert_allclose(_extent(drawn), [210, 270, 280, 360], atol=2)


def test_in_a_camera_the_cross_is_on_the_front_face() -> None:
    black = Image.new("RGB", (640, 480))
    coming, leaving = (
        _red(with_boxes_in_camera(black, CAMERA, T_CAM_LIDAR, _box(10.0, yaw=yaw), RED)) for yaw in (np.pi, 0.0)
    )
    outer = (slice(212, 218), slice(282, 292))  # the near face's corner, outside the far one
    assert coming[outer].sum() > leaving[outer].sum()


def test_a_box_around_the_camera_is_cut_and_one_behind_it_is_not_drawn() -> None:
    black = Image.new("RGB", (640, 480))
    assert not _red(with_boxes_in_camera(black, CAMERA, T_CAM_LIDAR, _box(-10.0), RED)).any()
    around = _red(with_boxes_in_camera(black, CAMERA, T_CAM_LIDAR, _box(0.0, length=8.0), RED))
    assert around.any()
    np.testing.assert_allclose(_extent(around)[::2], [0, 0], atol=1)


def test_a_near_box_lies_on_top_of_a_far_one() -> None:
    boxes, colors = np.vstack([_box(10.0), _box(10.01)]), np.vstack([RED, BLUE])
    for order in ([0, 1], [1, 0]):
        drawn = with_boxes_in_camera(Image.new("RGB", (640, 480)), CAMERA, T_CAM_LIDAR, boxes[order], colors[order])
        assert _red(drawn).sum() > 300
        assert (np.asarray(drawn)[..., 2] > 128).sum() < 30


def test_figures_show_predictions_over_the_truth() -> None:
    truth, found = Boxes3d.of(_box(10.0), [0]), Boxes3d.of(_box(10.0, 6.0), [1], [0.5])
    xyz_m = np.random.default_rng(0).uniform(-30, 30, (100, 3)).astype(np.float32)
    above = np.asarray(boxes_from_above_figure(xyz_m, found, truth, CLASSES, 200, half_width_m=20.0)).astype(int)
    blue = above[..., 2] > above[..., 0] + 60
    np.testing.assert_allclose(_extent(blue), [37, 60, 65, 75], atol=2)
    assert (above[40:60, 94:97].max(axis=2) < 90).any()  # the truth's left side in black
    rgb = np.zeros((480, 640, 3), np.uint8)
    view = CameraView("front", CAMERA, T_CAM_LIDAR, 0, lambda: rgb)
    sheet = boxes_in_cameras_figure([(view, rgb), (view, rgb)], found, truth, CLASSES, width_px=320)
    assert sheet.size == (650, 262)
    pixels = np.asarray(sheet)[22:].astype(int)
    assert (pixels[:, :320].min(axis=2) > 150).any()  # the truth in white
    assert (pixels[:, :320, 2] > pixels[:, :320, 0] + 60).any()
