"""Recordings of ROS 1, written by rosbags and by the MCAP library: a street, and texts."""

import struct

import numpy as np
from mcap.writer import Writer as McapWriter
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_typestore

from lidar_vl_core.cameras.image import encode_jpeg

NOETIC = get_typestore(Stores.ROS1_NOETIC)


TYPES = NOETIC.types


CLOUD, INFO, PICTURE, STRING, TF = (
    "sensor_msgs/msg/PointCloud2",
    "sensor_msgs/msg/CameraInfo",
    "sensor_msgs/msg/CompressedImage",
    "std_msgs/msg/String",
    "tf2_msgs/msg/TFMessage",
)


START_NS, POINTS = 1_500_000_000_000_000_000, 7


MODES = {"none": None, "bz2": Writer.CompressionFormat.BZ2, "lz4": Writer.CompressionFormat.LZ4}


def header(stamp_ns, frame_id):
    time = TYPES["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return TYPES["std_msgs/msg/Header"](seq=77, stamp=time, frame_id=frame_id)


def cloud(stamp_ns):
    xyz = np.arange(3 * POINTS, dtype="<f4").reshape(-1, 3)
    fields = [TYPES["sensor_msgs/msg/PointField"](name, 4 * k, 7, 1) for k, name in enumerate("xyz")]
    return TYPES[CLOUD](header(stamp_ns, "/lidar"), 1, POINTS, fields, False, 12, 12 * POINTS, xyz.view(np.uint8).ravel(), True)  # fmt: skip


def info(stamp_ns):
    K = np.array([32, 0, 32, 0, 32, 24, 0, 0, 1], float)
    P = np.array([32, 0, 32, 0, 0, 32, 24, 0, 0, 0, 1, 0], float)
    region = TYPES["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return TYPES[INFO](header(stamp_ns, "camera"), 48, 64, "plumb_bob", np.zeros(5), K, np.eye(3).ravel(), P, 0, 0, region)  # fmt: skip


def picture(stamp_ns):
    jpeg = encode_jpeg(np.full((48, 64, 3), 90, np.uint8))
    return TYPES[PICTURE](header(stamp_ns, "camera"), "rgb8; jpeg compressed bgr8", np.frombuffer(jpeg, np.uint8))


def transforms(stamp_ns):
    """tf2_msgs is no part of rosbags' Noetic: an array of transforms has the same bytes."""
    geometry = "geometry_msgs/msg/"
    stamped = TYPES[geometry + "TransformStamped"](
        header(stamp_ns, "/lidar"),
        "/camera",
        TYPES[geometry + "Transform"](
            TYPES[geometry + "Vector3"](0.0, 0.0, 0.5), TYPES[geometry + "Quaternion"](-0.5, 0.5, -0.5, 0.5)
        ),
    )
    return struct.pack("<I", 1) + bytes(NOETIC.serialize_ros1(stamped, geometry + "TransformStamped"))


def street(tf_topic="/tf", tf_type="tf/msg/tfMessage"):
    """(topic, type, stamp, bytes): before tf2, still transforms were sent again and again, with stamps in the future."""
    for k in range(3):
        at = START_NS + k * 100_000_000
        for ahead in (0, 100_000_000):
            yield tf_topic, tf_type, at + ahead, transforms(at + ahead)
        yield "/points", CLOUD, at, bytes(NOETIC.serialize_ros1(cloud(at), CLOUD))
        yield "/cam/camera_info", INFO, at, bytes(NOETIC.serialize_ros1(info(at), INFO))
        yield "/cam/image_raw/compressed", PICTURE, at, bytes(NOETIC.serialize_ros1(picture(at), PICTURE))


def texts(count=300):
    generator = np.random.default_rng(0)
    for k in range(count):
        text = generator.integers(97, 101, int(generator.integers(20, 400)), np.uint8).tobytes().decode()
        yield f"/t{k % 3}", STRING, 1_000 * k, bytes(NOETIC.serialize_ros1(TYPES[STRING](text), STRING))


def write_bag(path, messages, mode="none", chunk_bytes=1 << 20):
    writer = Writer(path)
    writer.chunk_threshold = chunk_bytes
    if MODES[mode]:
        writer.set_compression(MODES[mode])
    connections = {}
    with writer:
        for topic, kind, stamp_ns, data in messages:
            if topic not in connections:
                known = {"typestore": NOETIC} if kind in TYPES else {"msgdef": "geometry_msgs/TransformStamped[] transforms\n", "md5sum": "0" * 32}  # fmt: skip
                connections[topic] = writer.add_connection(topic, kind, **known)
            writer.write(connections[topic], stamp_ns, data)
    return path


def write_mcap(path, messages):
    with path.open("wb") as handle:
        writer = McapWriter(handle)
        writer.start("ros1")
        channels = {}
        for topic, kind, stamp_ns, data in messages:
            if topic not in channels:
                schema = writer.register_schema(kind.replace("/msg/", "/"), "ros1msg", b"")
                channels[topic] = writer.register_channel(topic, "ros1", schema)
            writer.add_message(channels[topic], stamp_ns, data, stamp_ns)
        writer.finish()
    return path
