"""What a viewer finds in predictions.mcap and beside it."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
import zstandard
from numpy.testing import assert_array_equal

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.colours import cloud_rgb
from lidar_vl_core.clouds.labelled_message import labelled_message
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.commands.viewers.predictions import PREDICTION_FILES, predictions
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from lidar_vl_core.tasks.point_labels import PointLabels
from tests.core.bags.ros1_recordings import street as street_of_ros1
from tests.core.bags.ros1_recordings import write_bag
from tests.written.ros_messages import TYPES, camera_info, header, tf, transform

NUSCENES_16 = class_table("nuscenes16")
START_NS = 1_700_000_000_000_000_000
SENSOR_CLOCK_NS = 12_000_000_000  # a LiDAR that counts from its own start
LABELS = PointLabels(np.array([3, 255, 10], np.uint8), np.array([0.9, 0.0, 0.4], np.float32), {})


def cloud_at(stamp_ns: int) -> PointCloud:
    return PointCloud(np.eye(3, dtype=np.float32), np.zeros(3, np.float32), stamp_ns, "velodyne")


def edge(parent: str, child: str):
    return tf(transform(parent, child, (1, 2, 3), stamp_ns=START_NS))


def picture(stamp_ns: int):
    return TYPES["sensor_msgs/msg/Image"](header(stamp_ns, "front"), 2, 3, "rgb8", 0, 9, np.zeros(18, np.uint8))


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Two clouds of a LiDAR whose clock counts from its start, a camera, transforms in a namespace of their own."""
    path = tmp_path / "street.mcap"
    with BagWriter(path) as bag:
        bag.write("/robot/tf_static", "tf2_msgs/msg/TFMessage", START_NS, edge("base", "velodyne"))
        bag.write(
            "/front/camera_info",
            "sensor_msgs/msg/CameraInfo",
            START_NS,
            camera_info(START_NS, "front", (2, 0, 1, 0, 2, 1, 0, 0, 1), 3, 2),
        )
        for k in range(2):
            now_ns = START_NS + k * 100_000_000
            bag.write("/tf", "tf2_msgs/msg/TFMessage", now_ns, edge("odom", "base"))
            bag.write("/front/image", "sensor_msgs/msg/Image", now_ns, picture(now_ns))
            message = labelled_message(cloud_at(SENSOR_CLOCK_NS + k * 100_000_000), LABELS)
            bag.write("/velodyne/points", CLOUD_TYPE, now_ns, message)
    return path


def predict(bag: Path, folder: Path, with_images: bool = False) -> None:
    folder.mkdir(exist_ok=True)
    with (
        open_recording(bag) as recording,
        predictions(folder, recording, NUSCENES_16, with_images) as write,
    ):
        for frame in recording.frames():
            points = len(frame.cloud)
            write(frame, PointLabels(np.resize(LABELS.class_id, points), np.resize(LABELS.probability, points), {}))


def test_clouds_carry_the_colours_of_their_classes(street: Path, tmp_path: Path) -> None:
    predict(street, tmp_path / "out")
    with open_bag(tmp_path / "out" / "predictions.mcap") as bag:
        for message in bag.messages(["/velodyne/points/segmentation"]):
            assert [field.name for field in message.message.fields][-3:] == ["class_id", "probability", "rgb"]
            cloud = decode(message.message, extra_fields=("rgb",))
            car, driveable = NUSCENES_16.colors_rgb[[3, 10]]
            assert_array_equal(cloud_rgb(cloud), [car, (0, 0, 0), driveable])


def test_class_names_are_told_once_and_reach_a_late_reader(street: Path, tmp_path: Path) -> None:
    from rosbags.highlevel import AnyReader

    predict(street, tmp_path / "out")
    with AnyReader([tmp_path / "out" / "predictions.mcap"]) as reader:
        (names,) = [c for c in reader.connections if c.topic == "/velodyne/points/segmentation/label_info"]
        told = [reader.deserialize(raw, c.msgtype).data for c, _, raw in reader.messages([names])]
        assert [json.loads(text)["names"] for text in told] == [list(NUSCENES_16.names)]
        durable = {c.topic for c in reader.connections for q in c.ext.offered_qos_profiles if q.durability.value == 1}
        assert durable == {"/velodyne/points/segmentation/label_info", "/robot/tf_static"}


def test_transforms_are_copied_on_the_clock_of_the_recording_and_pictures_only_where_asked(
    street: Path, tmp_path: Path
) -> None:
    for with_images, pictures in [(False, {}), (True, {"/front/camera_info": 1, "/front/image": 2})]:
        predict(street, tmp_path / "out", with_images)
        with open_bag(tmp_path / "out" / "predictions.mcap") as bag, open_bag(street) as original:
            own = {"/velodyne/points/segmentation": 2, "/velodyne/points/segmentation/label_info": 1}
            copied = {"/tf": 2, "/robot/tf_static": 1, **pictures}
            assert {topic.name: topic.count for topic in bag.topics} == own | copied
            rows = [(m.topic, m.stamp_ns, m.data) for m in bag.messages(copied)]
            assert rows == [(m.topic, m.stamp_ns, m.data) for m in original.messages(copied)]
            assert all(0 <= m.stamp_ns - START_NS < 10**9 for m in bag.messages())


def test_the_layouts_name_the_topics_and_the_frame_of_the_recording(street: Path, tmp_path: Path) -> None:
    predict(street, tmp_path / "out", with_images=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(PREDICTION_FILES)
    layout = json.loads((tmp_path / "out" / "predictions.foxglove.json").read_text())
    cloud = {"visible": True, "colorMode": "rgb", "colorField": "rgb", "pointSize": 3}
    panels = layout["configById"]
    assert panels["3D!cloud"]["topics"] == {"/velodyne/points/segmentation": cloud}
    assert panels["Image!camera0"]["topics"] == {"/velodyne/points/segmentation": cloud | {"pointSize": 2}}
    assert panels["3D!cloud"]["followTf"] == "velodyne"
    assert panels["Image!camera0"]["imageMode"] == {
        "imageTopic": "/front/image",
        "calibrationTopic": "/front/camera_info",
    }

    def places(node):
        return [node] if isinstance(node, str) else places(node["first"]) + places(node["second"])

    assert sorted(places(layout["layout"])) == sorted(panels)
    rviz = yaml.safe_load((tmp_path / "out" / "predictions.rviz").read_text())["Visualization Manager"]
    assert rviz["Global Options"]["Fixed Frame"] == "velodyne"
    assert [d["Topic"]["Value"] for d in rviz["Displays"] if "Topic" in d] == ["/velodyne/points/segmentation"]


def test_pictures_of_a_recording_without_cameras_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "blind.mcap"
    with BagWriter(path) as bag:
        bag.write("/points", CLOUD_TYPE, START_NS, labelled_message(cloud_at(START_NS), LABELS))
    with pytest.raises(BadRequest, match="expected cameras"):
        predict(path, tmp_path / "out", with_images=True)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_copied_from_a_recording_of_ros1_or_of_packed_messages_is_plain(street: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.mcap"
    with open_bag(street) as plain, BagWriter(packed) as bag:
        for m in plain.messages():
            cut = 30 if m.topic == "/tf" else None  # of which nothing can be copied
            bag.write(m.topic, m.type, m.stamp_ns, zstandard.compress(m.data)[:cut])
    for path in (packed, write_bag(tmp_path / "street.bag", street_of_ros1())):
        predict(path, tmp_path / "out", with_images=True)
        with open_bag(tmp_path / "out" / "predictions.mcap") as bag, open_bag(path) as original:
            copied = {topic.name for topic in original.topics if topic.type != CLOUD_TYPE} - {"/tf"}
            rows = [(m.topic, m.stamp_ns, m.data) for m in bag.messages(copied)]
            assert rows == [(m.topic, m.stamp_ns, m.cdr) for m in original.messages(copied)]
            assert all(m.message for m in bag.messages())
            assert ("/tf" in {topic.name for topic in bag.topics}) == (path != packed)
