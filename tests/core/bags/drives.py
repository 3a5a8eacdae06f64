"""A car that drives with a LiDAR and a camera, as messages of a recording."""

from pathlib import Path

import numpy as np

from lidar_vl_core.bags.recording import RecordedFrame, open_recording
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.cameras.image import encode_jpeg
from lidar_vl_core.clouds.labelled_message import cloud_message
from lidar_vl_core.clouds.point_cloud2 import encode
from tests.written.ros_messages import camera_info, jpeg, tf, transform

CLOUD, IMAGE, COMPRESSED, INFO, TF = (
    "sensor_msgs/msg/PointCloud2",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/CameraInfo",
    "tf2_msgs/msg/TFMessage",
)
START_NS = 1_700_000_000_000_000_000
# p_optical = R @ p_lidar for x forward -> z, y left -> -x, z up -> -y, as a quaternion of T_lidar_optical.
OPTICAL_XYZW = (-0.5, 0.5, -0.5, 0.5)


def cloud(stamp_ns: int, points: int = 5, frame_id: str = "lidar"):
    xyz = np.arange(3 * points, dtype=np.float32).reshape(-1, 3)
    columns = {"x": xyz[:, 0], "y": xyz[:, 1], "z": xyz[:, 2], "label": np.arange(points, dtype=np.uint8)}
    columns |= {"intensity": np.ones(points, np.float32)}
    return cloud_message(encode(columns), stamp_ns, frame_id)


def picture(stamp_ns: int, grey: int = 100, frame_id: str = "front_optical"):
    return jpeg(stamp_ns, frame_id, encode_jpeg(np.full((48, 64, 3), grey, np.uint8)))


def info(stamp_ns: int, focal_px: float = 32.0, frame_id: str = "front_optical"):
    return camera_info(stamp_ns, frame_id, (focal_px, 0, 32, 0, focal_px, 24, 0, 0, 1), 64, 48)


def write(path: Path, messages: list[tuple[str, str, int, object]]) -> Path:
    with BagWriter(path) as bag:
        for topic, type_name, stamp_ns, message in sorted(messages, key=lambda entry: entry[2]):
            bag.write(topic, type_name, stamp_ns, message)
    return path


def at(tenths: float) -> int:
    return START_NS + round(tenths * 1e8)


def drive(frames: int = 4, with_tf: bool = True) -> list[tuple[str, str, int, object]]:
    """A car with 10 m/s along x: LiDAR at base_link, one camera half a metre ahead whose stamps are 40 ms early."""
    messages: list[tuple[str, str, int, object]] = []
    if with_tf:
        messages += [
            ("/tf_static", TF, START_NS, tf(transform("base_link", "lidar", stamp_ns=START_NS))),
            (
                "/tf_static",
                TF,
                START_NS + 1,
                tf(transform("base_link", "front_optical", (0.5, 0, 0), OPTICAL_XYZW, START_NS)),
            ),
            *[
                ("/tf", TF, at(k), tf(transform("odom", "base_link", (k, 0, 0), stamp_ns=at(k))))
                for k in range(-1, frames + 1)
            ],
        ]
    for k in range(frames):
        early = at(k) - 40_000_000
        messages += [
            ("/lidar/points", CLOUD, at(k), cloud(at(k))),
            ("/camera/front/image/compressed", COMPRESSED, early, picture(early, grey=10 * (k % 20))),
            ("/camera/front/camera_info", INFO, early, info(early)),
        ]
    return messages


def read(path: Path, **options) -> tuple[list[RecordedFrame], list[str]]:
    with open_recording(path) as recording:
        return list(recording.frames(**options)), recording.warnings
