"""Boxes as messages, looked at as they come out at the other end of the wire."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from lidar_vl_ros.messages import detections
from lidar_vl_ros.messages.box_cloud import box_cloud
from lidar_vl_ros.messages.detections import DetectionTypes, detection_array
from lidar_vl_ros.messages.markers import EDGES, TEXTS, VELOCITIES, object_markers, object_text
from lidar_vl_ros.messages.objects import FoundObjects, SecondOpinion
from lidar_vl_ros.messages.time_message import time_message
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.corners import box_corners
from lidar_vl_core.boxes.detection_messages import boxes_in_message
from lidar_vl_core.boxes.majority import BoxMajority
from lidar_vl_core.classes.box_names import box_names
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.foundation.message_types import message_types
from lidar_vl_core.foundation.vision_messages import DETECTIONS_TYPE
from lidar_vl_core.geometry.rigid_transform import RigidTransform

CLASSES, POINT_CLASSES = class_table("kitti3"), class_table("nuscenes16")
HEADER = Header(stamp=time_message(12_000_000_345), frame_id="lidar_top")
NOBODY = Boxes3d.of(np.zeros((0, 7)), [])
BOXES = Boxes3d.of(
    [[5.0, 6.0, 0.5, 4.0, 2.0, 1.5, 0.5], [20.0, -5.0, 1.0, 2.0, 0.75, 1.75, -1.25], [1, 2, 3, 1, 1, 1, 0]],
    [CLASSES.id_of("Cyclist"), CLASSES.id_of("Car"), CLASSES.id_of("Car")],
    [0.9, 0.5, 0.25],
    [[3.0, -4.0], [np.nan, np.nan], [0.0, 0.1]],
)


def _found(boxes=BOXES, **options):
    return FoundObjects(HEADER, boxes, CLASSES, **options)


def _opinion(source="segmentation", class_id=(3, 255, 9), share=(0.75, 0.0, 1.0)):
    majority = BoxMajority(np.array(class_id, np.uint8), np.array(share, np.float32), np.array([4, 0, 2]))
    return SecondOpinion(source, POINT_CLASSES, majority)


def _over_the_wire(markers):
    return deserialize_message(serialize_message(markers), MarkerArray).markers


def _by_namespace(markers, namespace):
    return {marker.id: marker for marker in markers if marker.ns == namespace and marker.action == Marker.ADD}


def test_the_first_marker_makes_viewers_forget_those_before_also_where_nothing_is_found():
    for found in (_found(), _found(NOBODY)):
        first, *rest = _over_the_wire(object_markers(found, 1.0))
        assert (first.action, first.header) == (Marker.DELETEALL, HEADER)
        assert all(marker.action == Marker.ADD for marker in rest)
    assert rest == []


def test_namespaces_tell_what_a_marker_is_and_ids_which_box_it_belongs_to():
    _, *markers = _over_the_wire(object_markers(_found(), 1.5))
    assert {kind: sorted(_by_namespace(markers, kind)) for kind in (EDGES, TEXTS, VELOCITIES)} == {
        EDGES: [0, 1, 2],
        TEXTS: [0, 1, 2],
        VELOCITIES: [0],  # the second one's velocity is not known, the third stands
    }
    assert len({(marker.ns, marker.id) for marker in markers}) == len(markers) == 7
    for marker in markers:
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (1, 500_000_000)
        assert marker.header == HEADER
        assert marker.color.a == 1.0
    edges = _by_namespace(markers, EDGES)
    assert edges[1].color == edges[2].color != edges[0].color


def test_edges_join_the_corners_of_the_box_and_an_arrow_reaches_a_second_ahead():
    _, *markers = _over_the_wire(object_markers(_found(), 0.0))
    for row, marker in _by_namespace(markers, EDGES).items():
        turn, place = marker.pose.orientation, marker.pose.position
        T_lidar_box = RigidTransform.from_quaternion((turn.x, turn.y, turn.z, turn.w), (place.x, place.y, place.z))
        ends_m = T_lidar_box.apply(np.array([[point.x, point.y, point.z] for point in marker.points]))
        corners_m = box_corners(BOXES.boxes[row : row + 1])[0]
        nearest_m = np.linalg.norm(ends_m[:, None] - corners_m, axis=2)
        assert nearest_m.min(axis=1).max() < 1e-9
        assert nearest_m.min(axis=0).max() < 1e-9
        lengths_m = np.linalg.norm(ends_m[::2] - ends_m[1::2], axis=1)[:12]
        np.testing.assert_allclose(np.unique(lengths_m.round(9)), np.unique(BOXES.boxes[row, 3:6]))
        assert (marker.type, marker.scale.x > 0) == (Marker.LINE_LIST, True)
    tail, tip = _by_namespace(markers, VELOCITIES)[0].points
    assert (tail.x, tail.y, tail.z, tip.x, tip.y, tip.z) == (5.0, 6.0, 0.5, 8.0, 2.0, 0.5)
    assert (markers[0].lifetime.sec, markers[0].lifetime.nanosec) == (0, 0)


def test_the_text_above_a_box_tells_class_score_velocity_and_second_opinions():
    found = _found(opinions=(_opinion(), _opinion("images", (255, 2, 255))))
    _, *markers = _over_the_wire(object_markers(found, 1.0))
    texts = _by_namespace(markers, TEXTS)
    assert texts[0].text == "Cyclist 0.90, 5.0 m/s\nsegmentation: car 75 %"
    assert texts[1].text == "Car 0.50\nimages: bus 0 %"
    assert texts[0].pose.position.z > 0.5 + 0.75
    assert object_text(_found(), 2) == "Car 0.25, 0.1 m/s"


def test_boxes_told_from_an_origin_of_their_own_are_published_in_the_frame():
    found = _found(origin_m=(4.0e5, 5.0e6, 100.0))
    markers = _by_namespace(_over_the_wire(object_markers(found, 1.0)), EDGES)
    assert markers[0].pose.position.x == 400_005.0
    xyz_m = np.stack(decode(box_cloud(found)).coordinates(), axis=1)
    np.testing.assert_allclose(xyz_m, BOXES.boxes[:, :3] + (4.0e5, 5.0e6, 100.0), atol=1e-3)


def test_the_cloud_of_boxes_has_all_that_is_known_of_each():
    names = ("length", "width", "height", "yaw", "score", "vx", "vy", "class_id")
    opinions = ("segmentation_class_id", "segmentation_share")
    message = box_cloud(_found(opinions=(_opinion(),)))
    cloud = decode(message, (*names, *opinions))
    np.testing.assert_allclose(cloud.xyz_m, BOXES.boxes[:, :3])
    np.testing.assert_allclose(np.stack([cloud.extra[name] for name in names[:4]], axis=1), BOXES.boxes[:, 3:])
    np.testing.assert_array_equal(np.stack([cloud.extra["vx"], cloud.extra["vy"]], axis=1), BOXES.velocity_mps)
    np.testing.assert_array_equal(cloud.extra["class_id"], BOXES.class_id)
    np.testing.assert_array_equal(cloud.extra["score"], BOXES.score)
    np.testing.assert_array_equal(cloud.extra["segmentation_class_id"], [3, 255, 9])
    assert message.header == HEADER


def test_the_cloud_of_no_boxes_has_no_points_and_the_fields_all_the_same():
    message = box_cloud(_found(NOBODY))
    assert (message.width, len(message.data)) == (0, 0)
    assert [field.name for field in message.fields] == [field.name for field in box_cloud(_found()).fields]


@pytest.fixture(scope="module")
def vision():
    """A type store with vision_msgs, which is not on PyPI, and its classes by name."""
    return message_types()


def _types(vision):
    names = ("Detection3DArray", "Detection3D", "BoundingBox3D", "ObjectHypothesisWithPose", "ObjectHypothesis")
    return DetectionTypes(*(vision.types[f"vision_msgs/msg/{name}"] for name in names))


def _sent(vision, found):
    return vision.deserialize_cdr(
        vision.serialize_cdr(detection_array(_types(vision), found), DETECTIONS_TYPE), DETECTIONS_TYPE
    )


def test_a_detection_has_box_class_and_score_first_and_second_opinions_after_it(vision):
    array = _sent(vision, _found(opinions=(_opinion(), _opinion("images", (2, 2, 2)))))
    assert (array.header.frame_id, array.header.stamp.nanosec) == ("lidar_top", 345)
    told = [[(each.hypothesis.class_id, each.hypothesis.score) for each in one.results] for one in array.detections]
    assert told[0] == [("Cyclist", pytest.approx(0.9)), ("segmentation/car", 0.75), ("images/bus", 0.75)]
    assert [name for name, _ in told[1]] == ["Car", "images/bus"]
    for detection, box in zip(array.detections, BOXES.boxes, strict=True):
        center, size = detection.bbox.center, detection.bbox.size
        position = (center.position.x, center.position.y, center.position.z)
        np.testing.assert_allclose((*position, size.x, size.y, size.z), box[:6])
        assert 2 * np.arctan2(center.orientation.z, center.orientation.w) == pytest.approx(box[6])
        assert detection.results[0].pose.pose.position.x == box[0]
        assert detection.header.frame_id == "lidar_top"


def test_what_the_node_publishes_is_read_back_from_recordings_as_its_boxes(vision):
    opinions = (_opinion(), _opinion("images", (2, 2, 2)))
    told = boxes_in_message(_sent(vision, _found(opinions=opinions)), box_names(None, CLASSES))
    back = told.in_frame(RigidTransform.identity(), told.frame_id)
    assert (told.frame_id, told.stamp_ns) == ("lidar_top", 12_000_000_345)
    np.testing.assert_allclose(back.boxes, BOXES.boxes, atol=1e-12)
    np.testing.assert_array_equal(back.class_id, BOXES.class_id)
    np.testing.assert_array_equal(back.score, BOXES.score)


def test_no_objects_are_an_array_without_detections_under_the_clouds_header(vision):
    array = _sent(vision, _found(NOBODY))
    assert len(array.detections) == 0
    assert array.header.stamp.sec == 12


def test_where_vision_msgs_is_not_installed_or_lacks_a_type_there_are_no_detections(monkeypatch):
    monkeypatch.setattr(detections, "message_class", lambda name: None if name.endswith("Box3D") else SimpleNamespace)
    assert DetectionTypes.installed() is None
    monkeypatch.setattr(detections, "message_class", lambda name: SimpleNamespace)
    assert DetectionTypes.installed() is not None


def test_a_thing_that_moves_faster_than_a_person_strolls_gets_an_arrow():
    slow = replace(BOXES, velocity_mps=np.array([[0.1, 0.1], [0.3, 0.0], [-0.3, 0.0]], np.float32))
    assert sorted(_by_namespace(object_markers(_found(slow), 1.0).markers, VELOCITIES)) == [1, 2]
