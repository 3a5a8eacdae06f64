"""Boxes of KITTI: its conventions on a level camera, there and back, and the points that real labels hold."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lidar_vl_core.boxes.kitti import boxes_of_kitti, kitti_of_boxes, observation_angle
from lidar_vl_core.boxes.points_in_boxes import count_points_in_boxes
from lidar_vl_core.foundation.errors import BadBoxes, BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from tests.recordings import recording
from tests.written.made_boxes import made_boxes

T_CAM_LEVEL = RigidTransform(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), np.zeros(3))  # x forward, y left, z up
CAR = [1.5, 1.6, 4.0, 2.0, 1.7, 10.0, 0.0]  # h w l x y z rotation_y


def leaning(angle_rad: float) -> RigidTransform:
    """The level camera, bowed by an angle, and beside the LiDAR."""
    bow = RigidTransform.from_quaternion([np.sin(angle_rad / 2), 0, 0, np.cos(angle_rad / 2)], [0.1, -0.2, -0.3])
    return bow @ T_CAM_LEVEL


def real_frame(real_data: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, RigidTransform]:
    """Points, rows of labels and their alpha without DontCare, and T_cam_lidar."""
    label_file = recording(real_data, f"kitti_object/training/label_2/{name}.txt")
    folder = label_file.parents[1]
    lines = [line.split() for line in label_file.read_text().splitlines() if not line.startswith("DontCare")]
    columns = np.array([line[3:15] for line in lines], float)
    calibration = {
        line.split(":")[0]: np.array(line.split(":")[1].split(), float)
        for line in (folder / "calib" / f"{name}.txt").read_text().splitlines()
        if ":" in line
    }
    R0_rect = np.column_stack([calibration["R0_rect"].reshape(3, 3), np.zeros(3)])
    T_cam_lidar = RigidTransform.from_matrix(R0_rect) @ RigidTransform.from_matrix(
        calibration["Tr_velo_to_cam"].reshape(3, 4)
    )
    xyz_m = np.fromfile(folder / "velodyne" / f"{name}.bin", np.float32).reshape(-1, 4)[:, :3]
    return xyz_m, columns[:, 5:], columns[:, 0], T_cam_lidar


@pytest.mark.parametrize(
    ("rotation_y", "yaw_rad"), [(0.0, -np.pi / 2), (-np.pi / 2, 0.0), (np.pi / 2, np.pi), (0.3, -0.3 - np.pi / 2)]
)
def test_a_box_before_a_level_camera_stands_where_one_expects_it(rotation_y, yaw_rad):
    found = boxes_of_kitti(np.array([[*CAR[:6], rotation_y]]), T_CAM_LEVEL)[0]
    assert_allclose(found[:6], [10.0, -2.0, -1.7 + 0.75, 4.0, 1.6, 1.5], atol=1e-12)
    assert_allclose([np.cos(found[6]), np.sin(found[6])], [np.cos(yaw_rad), np.sin(yaw_rad)], atol=1e-12)


@given(st.integers(0, 10_000), st.floats(-0.05, 0.05))
def test_boxes_go_to_kitti_and_back(seed, lean_rad):
    boxes = made_boxes(np.random.default_rng(seed), 10, 50.0)
    T_cam_lidar = leaning(lean_rad)
    labels = kitti_of_boxes(boxes, T_cam_lidar)
    back = boxes_of_kitti(labels, T_cam_lidar)
    assert_allclose(back[:, :6], boxes[:, :6], atol=1e-9)
    assert_allclose(np.cos(back[:, 6] - boxes[:, 6]), 1.0, atol=1e-5)
    assert (np.abs(labels[:, 6]) <= np.pi).all()


def test_alpha_is_the_heading_along_the_ray():
    ahead, right = [*CAR[:3], 0.0, 1.7, 10.0, 0.5], [*CAR[:3], 10.0, 1.7, 10.0, 0.5]
    turned_far = [*CAR[:3], 10.0, 1.7, 10.0, -np.pi]
    expected = [0.5, 0.5 - np.pi / 4, 0.75 * np.pi]
    assert_allclose(observation_angle(np.array([ahead, right, turned_far])), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("000001", [70, 9, 18]),
        ("000006", [9, 71, 331, 26]),
        ("000007", [191, 19, 5, 25]),
        ("000008", [6237, 1940, 1041, 668, 53, 164]),
    ],
)
def test_labels_of_real_frames_hold_the_points_counted_by_their_definition(real_data, name, counted):
    """Exactly in a level frame of the camera; the LiDAR leans by up to 0.9 degrees, and the boxes stand upright in its frame."""
    xyz_m, labels, alpha, T_cam_lidar = real_frame(real_data, name)
    level_m = T_CAM_LEVEL.inverse().apply(T_cam_lidar.apply(xyz_m.astype(np.float64)))
    assert count_points_in_boxes(level_m, boxes_of_kitti(labels, T_CAM_LEVEL)).tolist() == counted
    in_lidar = count_points_in_boxes(xyz_m, boxes_of_kitti(labels, T_cam_lidar))
    assert_allclose(in_lidar, counted, rtol=0.1, atol=5)
    difference_rad = observation_angle(labels) - alpha
    assert_allclose(np.cos(difference_rad), 1.0, atol=1e-3)
    assert_allclose(kitti_of_boxes(boxes_of_kitti(labels, T_cam_lidar), T_cam_lidar), labels, atol=2e-4)


def test_no_labels_are_no_boxes():
    assert boxes_of_kitti(np.zeros((0, 7)), T_CAM_LEVEL).shape == (0, 7)
    assert kitti_of_boxes(np.zeros((0, 7)), T_CAM_LEVEL).shape == (0, 7)
    assert observation_angle(np.zeros((0, 7))).shape == (0,)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (np.array([CAR, [-1, -1, -1, -1000, -1000, -1000, -10]]), "row 1.*DontCare"),
        (np.array([CAR, [np.nan] * 7]), "finite.*row 1"),
        (np.array([CAR])[:, :6], r"expected shape \(1, 7\)"),
    ],
)
def test_rows_that_are_no_boxes_are_refused(labels, told):
    with pytest.raises(BadBoxes, match=told):
        boxes_of_kitti(labels, T_CAM_LEVEL)


def test_a_transform_that_leads_elsewhere_is_refused():
    for wrong in (T_CAM_LEVEL.inverse(), RigidTransform.identity()):
        with pytest.raises(BadTransform, match="upright"):
            boxes_of_kitti(np.array([CAR]), wrong)
        with pytest.raises(BadTransform, match="upright"):
            kitti_of_boxes(np.array([[10.0, 2, 0, 4, 2, 1, 0]]), wrong)
