"""Messages of ROS 2 for recordings, made without ROS."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lidar_vl_core.foundation.message_types import message_types

TYPES = message_types().types


def header(stamp_ns: int, frame_id: str) -> Any:
    time = TYPES["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return TYPES["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def transform(
    parent: str,
    child: str,
    xyz_m: Sequence[float] = (0, 0, 0),
    xyzw: Sequence[float] = (0, 0, 0, 1),
    stamp_ns: int = 0,
) -> Any:
    """One TransformStamped; its numbers may be none that a rigid transform has."""
    return TYPES["geometry_msgs/msg/TransformStamped"](
        header=header(stamp_ns, parent),
        child_frame_id=child,
        transform=TYPES["geometry_msgs/msg/Transform"](
            translation=TYPES["geometry_msgs/msg/Vector3"](*map(float, xyz_m)),
            rotation=TYPES["geometry_msgs/msg/Quaternion"](*map(float, xyzw)),
        ),
    )


def tf(*transforms: Any) -> Any:
    return TYPES["tf2_msgs/msg/TFMessage"](transforms=list(transforms))


def camera_info(stamp_ns: int, frame_id: str, K: Sequence[float], width: int, height: int) -> Any:
    """Of a lens without distortion, whose rectified image nobody has calibrated."""
    region = TYPES["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return TYPES["sensor_msgs/msg/CameraInfo"](
        header=header(stamp_ns, frame_id), height=height, width=width, distortion_model="plumb_bob", d=np.zeros(5),
        k=np.array(K, np.float64).ravel(), r=np.eye(3).ravel(), p=np.zeros(12), binning_x=0, binning_y=0, roi=region,
    )  # fmt: skip


def jpeg(stamp_ns: int, frame_id: str, data: bytes) -> Any:
    return TYPES["sensor_msgs/msg/CompressedImage"](
        header=header(stamp_ns, frame_id), format="jpeg", data=np.frombuffer(data, np.uint8)
    )
