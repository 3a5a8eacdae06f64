"""Boxes that a recording has of its clouds: by stamp, in the clouds' frame, of every kind of bag, and never guessed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.detection_messages import detections_message
from lidar_vl_core.classes.box_names import box_names
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.evaluation.recorded_boxes import RecordedBoxes
from lidar_vl_core.foundation.errors import BadBag, BadBoxes, BadLabels, BadRequest, BadTransform
from lidar_vl_core.foundation.message_types import to_cdr
from lidar_vl_core.foundation.vision_messages import DETECTIONS_TYPE
from tests.written.ros_messages import tf, transform

CLASSES = class_table("nuscenes10")
TOPIC, START_NS = "/boxes", 1_700_000_000_000_000_000
CAR = [10.0, 2.0, -1.0, 4.0, 1.8, 1.5, 0.25]


def cloud(stamp_ns=START_NS, frame_id="lidar"):
    return PointCloud(np.zeros((1, 3), np.float32), np.zeros(1, np.float32), stamp_ns, frame_id)


def one_car(stamp_ns=START_NS, frame_id="lidar", box=CAR):
    return detections_message(Boxes3d.of([box], [0], [0.5], frame_id=frame_id), CLASSES, stamp_ns)


def turned(parent, child, x_m, stamp_ns=START_NS):
    """A child that looks back."""
    return tf(transform(parent, child, (x_m, 0, 0), (0, 0, 1, 0), stamp_ns))


def boxes_of(path, *messages, topic=None, table=None):
    """Messages: topic, content; recorded one after the other."""
    with BagWriter(path) as bag:
        for number, (name, content) in enumerate(messages):
            bag.write(name, getattr(content, "__msgtype__", DETECTIONS_TYPE), START_NS + number, content)
    with open_bag(path) as bag:
        return RecordedBoxes(bag, topic, box_names(table, CLASSES))


@pytest.mark.parametrize("name", ["run.mcap", "run.db3", "run"])
def test_a_cloud_has_the_boxes_of_its_stamp_in_every_kind_of_bag(name, tmp_path):
    later = START_NS + 100_000_000
    other = [*CAR[:6], -2.0]
    recorded = boxes_of(tmp_path / name, (TOPIC, one_car()), (TOPIC, one_car(later, box=other)))
    assert (len(recorded), recorded.topic) == (2, TOPIC)
    assert_allclose(recorded.of(cloud()).boxes, [CAR])
    assert_allclose(recorded.of(cloud(later + 3_000_000)).boxes, [other])  # a rounded stamp
    assert recorded.of(cloud(later + 50_000_000)) is None
    assert recorded.seconds_from(cloud(later + 50_000_000)) == pytest.approx(0.05)


def test_boxes_of_another_frame_are_moved_into_the_clouds(tmp_path):
    messages = (("/tf_static", turned("base_link", "lidar", 1.0)), (TOPIC, one_car(frame_id="/base_link")))
    boxes = boxes_of(tmp_path / "a.mcap", *messages).of(cloud())
    assert boxes.frame_id == "lidar"
    assert_allclose(boxes.boxes, [[-9.0, -2.0, -1.0, 4.0, 1.8, 1.5, 0.25 - np.pi]])


def test_boxes_of_the_map_are_moved_to_where_the_vehicle_was_at_the_clouds_stamp(tmp_path):
    moving = [("/tf", turned("map", "lidar", x_m, START_NS + k * 10**9)) for k, x_m in enumerate((0.0, 6.0))]
    half = START_NS + 500_000_000
    boxes = boxes_of(tmp_path / "a.mcap", *moving, (TOPIC, one_car(half, "map"))).of(cloud(half))
    assert_allclose(boxes.boxes[0, :3], [3.0 - CAR[0], -CAR[1], CAR[2]])


@pytest.mark.parametrize(
    ("frame_id", "told"),
    [
        ("radar", "no transform to or from frame 'radar'"),
        ("", "expected the name of a frame, found an empty one"),
        ("map", "expected samples around"),
    ],
)
def test_boxes_whose_frame_nobody_tells_of_are_never_left_where_they_are(frame_id, told, tmp_path):
    messages = (("/tf", turned("map", "lidar", 1.0, START_NS + 10**9)), (TOPIC, one_car(frame_id=frame_id)))
    with pytest.raises(
        BadTransform, match=rf"^topic /boxes, stamp {START_NS} ns, from '{frame_id}' to 'lidar': .*{told}"
    ):
        boxes_of(tmp_path / "a.mcap", *messages).of(cloud())


def test_a_leaning_lidar_gets_no_boxes_of_frames_that_do_not_fit(tmp_path):
    tipped = turned("base_link", "lidar", 0.0)
    turn = tipped.transforms[0].transform.rotation
    turn.x, turn.z = 1.0, 0.0  # upside down
    with pytest.raises(BadTransform, match=r"^topic /boxes, stamp .* upright"):
        boxes_of(tmp_path / "a.mcap", ("/tf_static", tipped), (TOPIC, one_car(frame_id="base_link"))).of(cloud())


def test_what_cannot_be_is_told_with_topic_and_stamp_before_anything_else_happens(tmp_path):
    wrong = one_car()
    wrong.detections[0].bbox.size.x = -4.0
    with pytest.raises(BadBoxes, match=rf"^topic /boxes, stamp {START_NS} ns: box 0: expected sizes >= 0"):
        boxes_of(tmp_path / "a.mcap", (TOPIC, wrong))
    with pytest.raises(
        BadLabels, match=rf"^topic /boxes, stamp {START_NS} ns: box 0: expected a name of pandaset_cuboids"
    ):
        boxes_of(tmp_path / "b.mcap", (TOPIC, one_car()), table="pandaset_cuboids")
    with pytest.raises(BadBoxes, match="expected one message of each stamp, found two"):
        boxes_of(tmp_path / "c.mcap", (TOPIC, one_car()), (TOPIC, one_car()))
    whole = to_cdr(one_car(), DETECTIONS_TYPE)
    for length in range(0, len(whole), 37):
        with pytest.raises(
            BadBag, match=rf"^recorded at {START_NS} ns: topic /boxes: expected {DETECTIONS_TYPE}, found"
        ):
            boxes_of(tmp_path / f"cut_{length}.mcap", (TOPIC, whole[:length]))


def test_a_count_of_more_detections_than_there_are_bytes_is_refused(tmp_path):
    data = bytearray(to_cdr(one_car(), DETECTIONS_TYPE))
    at = data.index(b"lidar\0") + 8  # the number of detections, aligned to four bytes
    for start in range(at - 4, at + 4):
        hostile = bytearray(data)
        hostile[start : start + 4] = b"\xff\xff\xff\x7f"
        with pytest.raises((BadBag, BadBoxes)):
            boxes_of(tmp_path / f"{start}.mcap", (TOPIC, bytes(hostile)))


def test_the_topic_has_to_be_named_where_there_are_several_and_has_to_be_one_of_boxes(tmp_path):
    both = (("/a", one_car()), ("/b", one_car()), ("/tf", turned("map", "lidar", 1.0)))
    assert boxes_of(tmp_path / "a.mcap", *both, topic="/b").topic == "/b"
    with pytest.raises(BadRequest, match="expected one topic of vision_msgs/msg/Detection3DArray, found /a, /b"):
        boxes_of(tmp_path / "b.mcap", *both)
    with pytest.raises(BadRequest, match="topic /tf: expected vision_msgs/msg/Detection3DArray, found tf2_msgs"):
        boxes_of(tmp_path / "c.mcap", *both, topic="/tf")


def _ros1():
    """What ROS 1 publishes: numbers for classes, and the points of each box."""
    store = get_typestore(Stores.ROS1_NOETIC)
    for name, text in {
        "ObjectHypothesisWithPose": "int64 id\nfloat64 score\ngeometry_msgs/PoseWithCovariance pose",
        "BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size",
        "Detection3D": "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox3D bbox\nsensor_msgs/PointCloud2 source_cloud",
        "Detection3DArray": "std_msgs/Header header\nvision_msgs/Detection3D[] detections",
    }.items():
        store.register(get_types_from_msg(text, f"vision_msgs/msg/{name}"))
    return store


def _ros1_bag(path, number):
    store = _ros1()
    types = store.types
    header = types["std_msgs/msg/Header"](
        seq=3, stamp=types["builtin_interfaces/msg/Time"](sec=START_NS // 10**9, nanosec=0), frame_id="lidar"
    )
    pose = types["geometry_msgs/msg/Pose"](
        position=types["geometry_msgs/msg/Point"](*CAR[:3]),
        orientation=types["geometry_msgs/msg/Quaternion"](0.0, 0.0, np.sin(CAR[6] / 2), np.cos(CAR[6] / 2)),
    )
    unsure = types["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=np.zeros(36))
    points = types["sensor_msgs/msg/PointCloud2"](header, 1, 2, [], False, 4, 8, np.zeros(8, np.uint8), True)
    detection = types["vision_msgs/msg/Detection3D"](
        header=header,
        results=[types["vision_msgs/msg/ObjectHypothesisWithPose"](id=number, score=0.75, pose=unsure)],
        bbox=types["vision_msgs/msg/BoundingBox3D"](center=pose, size=types["geometry_msgs/msg/Vector3"](*CAR[3:6])),
        source_cloud=points,
    )
    array = types[DETECTIONS_TYPE](header=header, detections=[detection, detection])
    with Ros1Writer(path) as bag:
        for topic, kind, content in (
            (TOPIC, DETECTIONS_TYPE, array),
            ("/one", "vision_msgs/msg/Detection3D", detection),
        ):
            connection = bag.add_connection(topic, kind, typestore=store)
            bag.write(connection, START_NS, store.serialize_ros1(content, kind))
    return path


def test_ros_1_tells_classes_by_number_and_boxes_all_the_same(tmp_path):
    with open_bag(_ros1_bag(tmp_path / "run.bag", 3)) as bag:
        boxes = RecordedBoxes(bag, None, box_names("nuscenes16", CLASSES)).of(cloud())
        assert_allclose(boxes.boxes, [CAR, CAR])
        assert (boxes.class_id.tolist(), boxes.score.tolist()) == ([0, 0], [0.75, 0.75])
        one = next(iter(bag.messages(["/one"])))
        with pytest.raises(BadBag, match="found vision_msgs/msg/Detection3D"):  # has other fields in ROS 2
            _ = one.cdr
        assert {topic.name: topic.has_cdr for topic in bag.topics} == {TOPIC: True, "/one": False}
    with open_bag(_ros1_bag(tmp_path / "unknown.bag", 77)) as bag, pytest.raises(BadLabels, match="found '77'"):
        RecordedBoxes(bag, None, box_names("nuscenes16", CLASSES))
