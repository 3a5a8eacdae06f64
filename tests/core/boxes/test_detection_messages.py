"""Boxes as vision_msgs/Detection3DArray: there and back over the wire, and what a message cannot say."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.corners import box_corners
from lidar_vl_core.boxes.detection_messages import MOST_BOXES, boxes_in_message, detections_message
from lidar_vl_core.boxes.transform import boxes_in_frame
from lidar_vl_core.classes.box_names import box_names
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadBoxes, BadLabels, BadTransform
from lidar_vl_core.foundation.message_types import from_cdr, to_cdr
from lidar_vl_core.foundation.vision_messages import DETECTIONS_TYPE
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from tests.written.made_boxes import made_boxes

CLASSES = class_table("nuscenes10")
NAMES = box_names(None, CLASSES)
STAMP_NS = 1_700_000_000_123_456_789
STILL = RigidTransform.identity()
OPTICAL = RigidTransform(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), np.zeros(3))  # T_optical_lidar: z looks ahead


def drawn(seed=0, count=5):
    rng = np.random.default_rng(seed)
    class_id = rng.choice([*range(len(CLASSES)), 255], count).astype(np.uint8)
    score = np.where(class_id == 255, 1.0, rng.uniform(0, 1, count))
    return Boxes3d.of(made_boxes(rng, count, 50.0), class_id, score, frame_id="lidar_top")


def message_of(boxes):
    return from_cdr(to_cdr(detections_message(boxes, CLASSES, STAMP_NS), DETECTIONS_TYPE), DETECTIONS_TYPE, "/boxes")


@given(st.integers(0, 10_000), st.integers(0, 20))
def test_boxes_come_back_as_they_were_sent(seed, count):
    sent = drawn(seed, count)
    told = boxes_in_message(message_of(sent), NAMES)
    back = told.in_frame(STILL, "lidar_top")
    assert (told.stamp_ns, told.frame_id, len(back)) == (STAMP_NS, "lidar_top", count)
    assert_allclose(box_corners(back.boxes), box_corners(sent.boxes), atol=1e-6)
    assert_allclose(
        np.cos(back.boxes[:, 6] - sent.boxes[:, 6]), np.ones(count), atol=1e-12
    )  # the heading, not its reverse
    assert_array_equal(back.class_id, sent.class_id)
    assert_allclose(back.score, sent.score, atol=1e-7)
    assert np.isnan(back.velocity_mps).all()


@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(-0.5, 0.5))
def test_boxes_of_another_frame_are_moved_as_boxes_are(seed, yaw_rad, roll_rad):
    sent = drawn(seed)
    turn = RigidTransform.from_quaternion([0, 0, np.sin(yaw_rad / 2), np.cos(yaw_rad / 2)], [3.0, -2.0, 1.0])
    lean = RigidTransform.from_quaternion([np.sin(roll_rad / 2), 0, 0, np.cos(roll_rad / 2)], [0.0, 0.0, 0.0])
    moved = boxes_in_message(message_of(sent), NAMES).in_frame(turn @ lean, "map")
    expected = boxes_in_frame(sent, turn @ lean, "map")
    assert moved.frame_id == "map"
    assert_allclose(moved.boxes[:, :6], expected.boxes[:, :6], atol=1e-9)
    assert_allclose(np.cos(moved.boxes[:, 6] - expected.boxes[:, 6]), np.ones(5), atol=1e-9)


def test_boxes_told_in_a_camera_frame_stand_upright_in_the_lidars():
    sent = drawn()
    message = message_of(sent)
    for detection, box in zip(message.detections, sent.boxes, strict=True):
        T_lidar_box = RigidTransform.from_quaternion([0, 0, np.sin(box[6] / 2), np.cos(box[6] / 2)], box[:3])
        T_optical_box = OPTICAL @ T_lidar_box
        place, turn = detection.bbox.center.position, detection.bbox.center.orientation
        place.x, place.y, place.z = T_optical_box.translation_m
        turn.x, turn.y, turn.z, turn.w = T_optical_box.quaternion()
    told = boxes_in_message(message, NAMES)
    back = told.in_frame(OPTICAL.inverse(), "lidar_top")
    assert_allclose(box_corners(back.boxes), box_corners(sent.boxes), atol=1e-6)
    with pytest.raises(BadTransform, match="expected boxes upright in both frames, found one tilted by 90"):
        told.in_frame(STILL, "lidar_top")


def test_the_surest_class_counts_and_second_opinions_of_our_nodes_do_not():
    message = message_of(replace(drawn(count=1), class_id=np.array([CLASSES.id_of("car")], np.uint8)))
    (detection,) = message.detections
    detection.results[0].hypothesis.score = 0.5
    for name, score in (("bus", 0.25), ("truck", 0.75), ("segmentation/pedestrian", 1.0), ("images/tree", 1.0)):
        hypothesis = SimpleNamespace(class_id=name, score=score)
        detection.results.append(SimpleNamespace(hypothesis=hypothesis))
    told = boxes_in_message(message, NAMES)
    assert (told.class_id.tolist(), told.score.tolist()) == ([CLASSES.id_of("truck")], [0.75])


@pytest.mark.parametrize(
    ("table", "name", "class_id"),
    [
        (None, "car", 0),
        (None, "8", 8),
        ("nuscenes16", "3", 0),  # its fourth class is car
        ("pandaset_cuboids", "Pickup Truck", 1),
        ("pandaset_cuboids", "Train", 255),
    ],
)
def test_names_may_be_of_another_table_or_data_set_and_numbers_rows_of_a_table(table, name, class_id):
    assert box_names(table, CLASSES).class_id(name) == class_id


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (None, "tree"), (None, "10"), (None, "-1"), (None, "08"), (None, ""), (None, "9" * 6000),
        ("pandaset_cuboids", "3"), ("nuscenes16", "12"),
    ],
)  # fmt: skip
def test_a_class_that_nobody_knows_is_refused_with_those_that_are(table, name):
    message = message_of(replace(drawn(count=1), class_id=np.zeros(1, np.uint8)))
    message.detections[0].results[0].hypothesis.class_id = name
    with pytest.raises(BadLabels, match=r"^box 0: expected a name of ") as told:
        boxes_in_message(message, box_names(table, CLASSES))
    assert len(str(told.value)) < 1500


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("part", "values", "told"),
    [
        ("bbox.center.position", {"x": NAN}, "a centre on Earth in metres, found .nan"),
        ("bbox.center.position", {"y": -1e300}, "a centre on Earth"),
        ("bbox.size", {"z": -0.5}, "sizes >= 0 in metres"),
        ("bbox.size", {"x": NAN}, "sizes >= 0"),
        ("bbox.size", {"y": INF}, "sizes >= 0"),
        ("bbox.center.orientation", {"z": 0.0, "w": 0.0}, "a quaternion of length 1"),
        ("bbox.center.orientation", {"w": NAN}, "a quaternion of length 1"),
        ("bbox.center.orientation", {"x": 5.0}, "a quaternion of length 1"),
        ("hypothesis", {"score": NAN}, r"scores in 0\.\.1"),
        ("hypothesis", {"score": 87.5}, r"scores in 0\.\.1"),
    ],
)
def test_numbers_that_cannot_be_are_refused_with_their_box(part, values, told):
    message = message_of(replace(drawn(count=3), class_id=np.zeros(3, np.uint8)))
    place = message.detections[1] if part != "hypothesis" else message.detections[1].results[0]
    for name in part.split("."):
        place = getattr(place, name)
    for name, value in values.items():
        setattr(place, name, value)
    with pytest.raises(BadBoxes, match=f"^box 1: expected {told}") as error:
        boxes_in_message(message, NAMES)
    assert "\n" not in str(error.value)


def test_detections_of_several_frames_and_too_many_are_refused():
    message = message_of(drawn(count=2))
    message.detections[1].header = SimpleNamespace(frame_id="base_link")
    with pytest.raises(BadBoxes, match="expected boxes in one frame, found base_link, lidar_top"):
        boxes_in_message(message, NAMES)
    message.detections[1].header = message.detections[0].header = SimpleNamespace(frame_id="")
    assert boxes_in_message(message, NAMES).frame_id == "lidar_top"
    message.detections = message.detections * MOST_BOXES
    with pytest.raises(BadBoxes, match=f"expected at most {MOST_BOXES} boxes, found {2 * MOST_BOXES}"):
        boxes_in_message(message, NAMES)


def test_a_message_without_detections_has_no_boxes_and_its_frame_all_the_same():
    none = boxes_in_message(message_of(drawn(count=0)), NAMES).in_frame(OPTICAL, "camera")
    assert (len(none), none.frame_id) == (0, "camera")
