"""Boxes of nuScenes: its conventions, and there and back through a global frame that leans."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lidar_vl_core.boxes.nuscenes import NuscenesBoxes, boxes_of_nuscenes, nuscenes_of_boxes
from lidar_vl_core.boxes.transform import transformed_boxes
from lidar_vl_core.foundation.errors import BadBoxes, BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from tests.written.made_boxes import made_boxes

CAR = NuscenesBoxes(np.array([[10.0, 2.0, 1.0]]), np.array([[1.9, 4.6, 1.7]]), np.array([[1.0, 0, 0, 0]]))


@st.composite
def poses(draw: st.DrawFn) -> RigidTransform:
    """Of a LiDAR in the global frame: any heading, up to 0.2 rad of lean."""
    yaw_rad, lean_rad = draw(st.floats(-np.pi, np.pi)), draw(st.floats(-0.2, 0.2))
    about_z = RigidTransform.from_quaternion([0, 0, np.sin(yaw_rad / 2), np.cos(yaw_rad / 2)], [0, 0, 0])
    place_m = [draw(st.floats(-3e3, 3e3)), draw(st.floats(-3e3, 3e3)), draw(st.floats(-50, 50))]
    return about_z @ RigidTransform.from_quaternion([0, np.sin(lean_rad / 2), 0, np.cos(lean_rad / 2)], place_m)


@pytest.mark.parametrize("yaw_rad", [0.0, 0.4, np.pi / 2, -3.0])
def test_the_length_lies_along_the_x_axis_of_the_box(yaw_rad):
    turned = CAR._replace(rotation_wxyz=np.array([[np.cos(yaw_rad / 2), 0, 0, np.sin(yaw_rad / 2)]]))
    found = boxes_of_nuscenes(turned, RigidTransform.identity())
    assert_allclose(found, [[10.0, 2.0, 1.0, 4.6, 1.9, 1.7, yaw_rad]], atol=1e-12)


@given(st.integers(0, 10_000), poses())
def test_boxes_of_a_leaning_lidar_go_to_the_global_frame_and_back(seed, T_global_lidar):
    boxes = made_boxes(np.random.default_rng(seed), 10, 50.0)
    written = nuscenes_of_boxes(boxes, T_global_lidar)
    assert_allclose(np.linalg.norm(written.rotation_wxyz, axis=1), 1.0)
    back = boxes_of_nuscenes(written, T_global_lidar.inverse())
    assert_allclose(back[:, :6], boxes[:, :6], atol=1e-9)
    assert_allclose(np.cos(back[:, 6] - boxes[:, 6]), 1.0, atol=1e-12)


@given(st.integers(0, 10_000), poses())
def test_the_heading_is_the_turned_quaternions(seed, T_global_lidar):
    """Each quaternion as a transform of its own."""
    boxes = made_boxes(np.random.default_rng(seed), 5, 50.0)
    written = nuscenes_of_boxes(boxes, T_global_lidar)
    for box, (w, x, y, z) in zip(boxes, written.rotation_wxyz, strict=True):
        heading = RigidTransform.from_quaternion([x, y, z, w], np.zeros(3)).rotation[:, 0]
        expected = T_global_lidar.rotation @ [np.cos(box[6]), np.sin(box[6]), 0.0]
        assert_allclose(heading, expected, atol=1e-9)


@given(st.integers(0, 10_000), poses())
def test_boxes_upright_in_the_global_frame_are_as_by_their_seven_numbers(seed, T_global_lidar):
    boxes = made_boxes(np.random.default_rng(seed), 10, 50.0)
    upright = nuscenes_of_boxes(boxes, RigidTransform.identity())
    T_lidar_global = T_global_lidar.inverse()
    found, expected = boxes_of_nuscenes(upright, T_lidar_global), transformed_boxes(boxes, T_lidar_global)
    assert_allclose(found[:, :6], expected[:, :6], atol=1e-9)
    assert_allclose(np.cos(found[:, 6] - expected[:, 6]), 1.0, atol=1e-12)


def test_no_boxes_are_no_boxes():
    none = nuscenes_of_boxes(np.zeros((0, 7)), RigidTransform.identity())
    assert none.rotation_wxyz.shape == (0, 4)
    assert boxes_of_nuscenes(none, RigidTransform.identity()).shape == (0, 7)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rotation_wxyz": np.zeros((1, 4))}, "length 1"),
        ({"rotation_wxyz": np.ones((1, 3))}, r"rotation_wxyz: expected shape \(1, 4\)"),
        ({"size_wlh_m": np.array([[1.0, -2.0, 1.0]])}, "sizes >= 0"),
        ({"center_m": np.array([[np.nan, 0, 0]])}, "center_m: expected finite"),
        ({"center_m": np.zeros((2, 3))}, r"size_wlh_m: expected shape \(2, 3\)"),
    ],
)
def test_arrays_that_are_no_boxes_are_refused(change, told):
    with pytest.raises(BadBoxes, match=told):
        boxes_of_nuscenes(CAR._replace(**change), RigidTransform.identity())


def test_a_box_that_lies_on_its_side_is_refused():
    on_its_side = CAR._replace(rotation_wxyz=np.array([[np.sqrt(0.5), np.sqrt(0.5), 0, 0]]))
    with pytest.raises(BadTransform, match=r"90\.0 degrees"):
        boxes_of_nuscenes(on_its_side, RigidTransform.identity())
