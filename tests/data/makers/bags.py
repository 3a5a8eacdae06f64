"""Recordings of ROS 2 as users bring them: MCAP and sqlite3 folders with a camera, odometry alone, raw packets, an old file."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.foundation.message_types import message_types, to_cdr
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from tests.data.makers.ros_messages import (
    TYPES,
    camera_info,
    cloud_message,
    header_of,
    image_message,
    jpeg_message,
    pose_of,
    quaternion,
    transforms,
    vector,
)
from tests.data.makers.street import street

_LIDAR, _CAMERA = "velo_link", "camera_front"
_START_NS, _STEP_NS = 1_767_225_600_000_000_000, 100_000_000
_Message = tuple[str, str, int, Any]  # topic, type, stamp_ns, message


def write_street_bags(folder: Path) -> None:
    """Folders as `ros2 bag record` writes them: three frames with JPEGs in an MCAP, two with plain pictures in sqlite3."""
    _write(folder / "street_mcap", StoragePlugin.MCAP, _street(3, compressed=True))
    _write(folder / "street_db3_raw", StoragePlugin.SQLITE3, _street(2, compressed=False))


def write_odometry(path: Path) -> None:
    """40 poses of a robot that drives a circle: /odom, /tf, /tf_static, /amcl_pose."""
    path.parent.mkdir(parents=True)
    with BagWriter(path) as bag:
        bag.write(
            "/tf_static",
            "tf2_msgs/msg/TFMessage",
            _START_NS,
            transforms(_START_NS, "base_link", "base_scan", RigidTransform.identity()),
        )
        for number in range(40):
            for topic, type_name, stamp_ns, message in _odometry(number, _START_NS + number * _STEP_NS):
                bag.write(topic, type_name, stamp_ns, message)


def write_raw_packets(folder: Path) -> None:
    """Four messages of a driver's packets, which no reader of clouds can use, in a folder with metadata.yaml."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    packets = [b"\x00\x01\x00\x00" + rng.bytes(200) for _ in range(4)]
    rows = [
        ("/velodyne_packets", "velodyne_msgs/msg/VelodyneScan", _START_NS + k * _STEP_NS, data)
        for k, data in enumerate(packets)
    ]
    _sqlite(folder / "packets_0.db3", rows)
    (folder / "metadata.yaml").write_text(_METADATA.format(start=_START_NS, duration=3 * _STEP_NS))


def write_old_recording(path: Path) -> None:
    """A file of rosbag2's first year: no metadata.yaml, type names without /msg/."""
    rgb = street("hdl32", 90, 96).frame(0).views[0].rgb
    header = header_of(_START_NS, _CAMERA)
    unknown = np.zeros(9)
    messages = [
        ("/image", "sensor_msgs/Image", image_message(header, rgb)),
        ("/image/compressed", "sensor_msgs/CompressedImage", jpeg_message(header, rgb)),
        ("/imu", "sensor_msgs/Imu", TYPES["sensor_msgs/msg/Imu"](
            header=header, orientation=quaternion((0.0, 0.0, 0.0, 1.0)), orientation_covariance=unknown, angular_velocity=vector((0.0, 0.0, 0.1)),
            angular_velocity_covariance=unknown, linear_acceleration=vector((0.0, 0.0, 9.81)), linear_acceleration_covariance=unknown)),
        ("/fix", "sensor_msgs/NavSatFix", TYPES["sensor_msgs/msg/NavSatFix"](
            header=header, status=TYPES["sensor_msgs/msg/NavSatStatus"](status=0, service=1), latitude=49.0, longitude=8.4, altitude=115.0,
            position_covariance=unknown, position_covariance_type=0)),
        ("/text", "std_msgs/String", TYPES["std_msgs/msg/String"](data="a street")),
    ]  # fmt: skip
    path.parent.mkdir(parents=True)
    _sqlite(path, [
        (topic, name, _START_NS + k, to_cdr(message, name.replace("/", "/msg/"))) for k, (topic, name, message) in enumerate(messages)
    ])  # fmt: skip


def _street(count: int, compressed: bool) -> Iterator[_Message]:
    drive = street("hdl32", *((180, 240) if compressed else (90, 128)))
    for number in range(count):
        frame, stamp_ns = drive.frame(number), _START_NS + number * _STEP_NS
        view = frame.views[0]
        if number == 0:
            yield (
                "/tf_static",
                "tf2_msgs/msg/TFMessage",
                stamp_ns,
                transforms(stamp_ns, _LIDAR, _CAMERA, view.T_cam_lidar.inverse()),
            )
        header = header_of(stamp_ns, _CAMERA)
        yield "/velo/points", "sensor_msgs/msg/PointCloud2", stamp_ns, cloud_message(frame, stamp_ns, _LIDAR)
        if compressed:
            yield (
                "/camera/image_rect_color/compressed",
                "sensor_msgs/msg/CompressedImage",
                stamp_ns,
                jpeg_message(header, view.rgb),
            )
        else:
            yield "/camera/image_rect_color", "sensor_msgs/msg/Image", stamp_ns, image_message(header, view.rgb)
        yield "/camera/camera_info", "sensor_msgs/msg/CameraInfo", stamp_ns, camera_info(header, view)


def _odometry(number: int, stamp_ns: int) -> Iterator[_Message]:
    angle = 0.05 * number
    T_odom_base = RigidTransform(
        np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]]),
        np.array([2 * np.sin(angle), 2 - 2 * np.cos(angle), 0.0]),
    )
    pose = TYPES["geometry_msgs/msg/PoseWithCovariance"](pose=pose_of(T_odom_base), covariance=np.zeros(36))
    still = TYPES["geometry_msgs/msg/Twist"](linear=vector((1.0, 0.0, 0.0)), angular=vector((0.0, 0.0, 0.5)))
    twist = TYPES["geometry_msgs/msg/TwistWithCovariance"](twist=still, covariance=np.zeros(36))
    odom = TYPES["nav_msgs/msg/Odometry"](
        header=header_of(stamp_ns, "odom"), child_frame_id="base_link", pose=pose, twist=twist
    )
    yield "/odom", "nav_msgs/msg/Odometry", stamp_ns, odom
    yield "/tf", "tf2_msgs/msg/TFMessage", stamp_ns, transforms(stamp_ns, "odom", "base_link", T_odom_base)
    yield "/tf", "tf2_msgs/msg/TFMessage", stamp_ns + 1, transforms(stamp_ns, "map", "odom", RigidTransform.identity())
    if number % 10 == 0:
        located = TYPES["geometry_msgs/msg/PoseWithCovarianceStamped"](header=header_of(stamp_ns, "map"), pose=pose)
        yield "/amcl_pose", "geometry_msgs/msg/PoseWithCovarianceStamped", stamp_ns + 2, located


def _write(folder: Path, storage: StoragePlugin, messages: Iterator[_Message]) -> None:
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    folder.parent.mkdir(parents=True, exist_ok=True)
    latched = Qos(
        QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL, QosTime(0, 0), QosTime(0, 0),
        QosLiveliness.AUTOMATIC, QosTime(0, 0), False,
    )  # fmt: skip
    connections: dict[str, Any] = {}
    writer = Writer(folder, version=8, storage_plugin=storage)
    with writer:
        for topic, type_name, stamp_ns, message in messages:
            if topic not in connections:
                qos = [latched] if topic == "/tf_static" else []
                connections[topic] = writer.add_connection(
                    topic, type_name, typestore=message_types(), offered_qos_profiles=qos
                )
            writer.write(connections[topic], stamp_ns, to_cdr(message, type_name))


def _sqlite(path: Path, rows: list[tuple[str, str, int, bytes]]) -> None:
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE topics(id INTEGER PRIMARY KEY,name TEXT NOT NULL,type TEXT NOT NULL,serialization_format TEXT NOT NULL)"
        )
        database.execute(
            "CREATE TABLE messages(id INTEGER PRIMARY KEY,topic_id INTEGER NOT NULL,timestamp INTEGER NOT NULL, data BLOB NOT NULL)"
        )
        topics = {
            topic: (number, type_name)
            for number, (topic, type_name) in enumerate(dict(row[:2] for row in rows).items(), 1)
        }
        database.executemany(
            "INSERT INTO topics VALUES (?, ?, ?, 'cdr')",
            [(number, topic, name) for topic, (number, name) in topics.items()],
        )
        database.executemany(
            "INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)",
            [(topics[row[0]][0], *row[2:]) for row in rows],
        )
    database.close()


_METADATA = """rosbag2_bagfile_information:
  version: 5
  storage_identifier: sqlite3
  duration: {{nanoseconds: {duration}}}
  starting_time: {{nanoseconds_since_epoch: {start}}}
  message_count: 4
  topics_with_message_count:
    - topic_metadata:
        name: /velodyne_packets
        type: velodyne_msgs/msg/VelodyneScan
        serialization_format: cdr
        offered_qos_profiles: ""
      message_count: 4
  compression_format: ""
  compression_mode: ""
  relative_file_paths: [packets_0.db3]
  files:
    - path: packets_0.db3
      starting_time: {{nanoseconds_since_epoch: {start}}}
      duration: {{nanoseconds: {duration}}}
      message_count: 4
"""
