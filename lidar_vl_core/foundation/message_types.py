"""Which ROS message types this project reads and writes without ROS, and their bytes (CDR)."""

import functools
import struct
from typing import TYPE_CHECKING, Any

from lidar_vl_core.foundation.errors import BadBag, BadRequest
from lidar_vl_core.foundation.vision_messages import (
    DETECTIONS_TYPE,
    detections_of_ros1,
    is_made_anew,
    register_vision_messages,
)

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

CLOUD_TYPE = "sensor_msgs/msg/PointCloud2"
# Each part of these lists becomes Python objects of up to twenty times its bytes.
_MOST_BYTES = {"tf2_msgs/msg/TFMessage": 1 << 22, DETECTIONS_TYPE: 1 << 24}  # 40,000 transforms, 30,000 boxes
_MOST_FIELDS = 4096  # of a cloud; more than any reader takes
_LONGEST_NAME = 4096  # of a frame, in bytes
_WITH_HEADER = {
    CLOUD_TYPE,
    DETECTIONS_TYPE,
    "nav_msgs/msg/Odometry",
    "sensor_msgs/msg/CameraInfo",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/Image",
}

# Packets of a driver: points come out only with the sensor's calibration, which the driver knows.
RAW_LIDAR_TYPES = frozenset(
    {
        "velodyne_msgs/msg/VelodyneScan",
        "velodyne_msgs/msg/VelodynePacket",
        "ouster_msgs/msg/PacketMsg",
        "ouster_sensor_msgs/msg/PacketMsg",
        "pandar_msgs/msg/PandarScan",
        "nebula_msgs/msg/NebulaPackets",
        "hesai_ros_driver/msg/UdpFrame",
        "rslidar_msg/msg/RslidarPacket",
        "livox_ros_driver/msg/CustomMsg",
        "livox_ros_driver2/msg/CustomMsg",
    }
)


@functools.cache
def message_types() -> "Typestore":
    """The message classes of ROS 2 Jazzy's common interfaces and of vision_msgs' boxes: `message_types().types[name]`."""
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    register_vision_messages(store)
    return store


def contiguous_bytes(data: object) -> memoryview:
    """A message's `data` as bytes without a copy; raises TypeError or ValueError for anything but contiguous bytes."""
    view = memoryview(data)  # type: ignore[arg-type]
    if view.itemsize != 1 or not view.c_contiguous:
        raise TypeError("not contiguous bytes")
    return view.cast("B") if view.nbytes else memoryview(b"")


def full_type_name(name: str) -> str:
    """`sensor_msgs/Image`, as ROS 1 and rosbag2 until 2019 write it, and `sensor_msgs/msg/Image` are one type.

    So are `tf/tfMessage`, which ROS 1 had before tf2, and `tf2_msgs/msg/TFMessage`.
    """
    if name == "tf/tfMessage":
        return "tf2_msgs/msg/TFMessage"
    package, _, rest = name.partition("/")
    return name if not rest or rest.startswith("msg/") or "/" in rest else f"{package}/msg/{rest}"


def from_cdr(data: bytes, type_name: str, topic: str) -> Any:  # noqa: ANN401  generated classes have no common base
    """The message in these bytes; raises BadBag naming the type where it is unknown or the bytes do not fit it."""
    if type_name not in message_types().types:
        raise BadBag(
            f"topic {topic}: expected a message of ROS 2's common types, found {type_name}. {advice(type_name)}"
        )
    try:
        _require_moderate(data, type_name)
        _require_moderate_header(data, type_name)
        return message_types().deserialize_cdr(data, type_name)
    except Exception as error:  # the generated readers raise whatever the bytes lead them to
        raise BadBag(
            f"topic {topic}: expected {type_name}, found {len(data)} bytes that do not decode as one ({error}). "
            "The message is damaged, or its definition differs from ROS 2 Jazzy's: convert the topic to that one."
        ) from error


def is_read_from_ros1(type_name: str) -> bool:
    """Whether ros1_to_cdr() knows a type."""
    return type_name in message_types().types and (type_name == DETECTIONS_TYPE or not is_made_anew(type_name))


def ros1_to_cdr(data: bytes, type_name: str, topic: str) -> bytes:
    """CDR bytes of a message that ROS 1 serialised; raises BadBag where the type is unknown or the bytes do not fit it."""
    if not is_read_from_ros1(type_name):
        raise BadBag(
            f"topic {topic}: expected a message of ROS 2's common types, found {type_name}. {advice(type_name)}"
        )
    try:
        _require_moderate(data, type_name)
        if type_name == DETECTIONS_TYPE:
            return bytes(message_types().serialize_cdr(detections_of_ros1(data, message_types()), type_name))
        return bytes(message_types().ros1_to_cdr(data, type_name))
    except Exception as error:  # the generated converters raise whatever the bytes lead them to
        raise BadBag(
            f"topic {topic}: expected {type_name} of ROS 1, found {len(data)} bytes that do not decode as one ({error}). "
            "The message is damaged, or its definition differs from ROS 2 Jazzy's: convert the topic to that one."
        ) from error


def _require_moderate(data: bytes, type_name: str) -> None:
    """Raise ValueError for a message of more parts than anybody sends."""
    most = _MOST_BYTES.get(type_name, len(data))
    if len(data) > most:
        raise ValueError(f"more than {most} bytes")


def _require_moderate_header(data: bytes, type_name: str) -> None:
    """Raise ValueError for CDR bytes whose name of a frame, or whose fields of a cloud, are longer than anybody's."""
    if type_name not in _WITH_HEADER:
        return
    order = "<" if data[1:2] == b"\1" else ">"
    try:
        length = struct.unpack_from(f"{order}I", data, 12)[0]  # behind the stamp
        if length > _LONGEST_NAME:
            raise ValueError(f"a frame whose name has {length} bytes")
        at = 16 + length + -length % 4
        fields = (
            struct.unpack_from(f"{order}3I", data, at)[2] if type_name == CLOUD_TYPE else 0
        )  # behind height and width
    except struct.error:
        return  # too short, which its reader tells
    if fields > _MOST_FIELDS:
        raise ValueError(f"{fields} fields")


def to_cdr(message: object, type_name: str) -> bytes:
    """The bytes of a message of `message_types()`; raises BadRequest where the type is unknown or a value does not fit."""
    if type_name not in message_types().types:
        raise BadRequest(
            f"expected a message of ROS 2's common types, found {type_name}. Hand over its CDR bytes instead."
        )
    try:
        return bytes(message_types().serialize_cdr(message, type_name))
    except Exception as error:  # the generated writers raise whatever a wrong value leads them to
        raise BadRequest(f"expected a message of {type_name}, found values that do not fit: {error}.") from error


def advice(type_name: str) -> str:
    """What a user can do about a topic whose type is not supported."""
    if type_name in RAW_LIDAR_TYPES:
        return (
            "These are the sensor's raw data: play the bag through its driver and record the PointCloud2 it publishes."
        )
    return "Its definition is not part of ROS 2's common interfaces; choose another topic or convert it."
