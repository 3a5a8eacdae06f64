"""Transforms given by parameters, as the message that would have carried them."""

from collections.abc import Iterable
from typing import Any

from lidar_vl_core.foundation.message_types import message_types, to_cdr

TF_STATIC = "/tf_static"
TF_TYPE = "tf2_msgs/msg/TFMessage"


def static_transforms_cdr(transforms: Iterable[Any]) -> bytes:
    """The bytes of a TFMessage with these geometry_msgs/TransformStamped of ROS, where tf2_msgs need not be installed."""
    types = message_types().types

    def copied(message: Any, type_name: str, *names: str) -> Any:  # noqa: ANN401  generated classes
        return types[type_name](**{name: float(getattr(message, name)) for name in names})

    told = [
        types["geometry_msgs/msg/TransformStamped"](
            header=types["std_msgs/msg/Header"](
                stamp=types["builtin_interfaces/msg/Time"](
                    sec=each.header.stamp.sec, nanosec=each.header.stamp.nanosec
                ),
                frame_id=each.header.frame_id,
            ),
            child_frame_id=each.child_frame_id,
            transform=types["geometry_msgs/msg/Transform"](
                translation=copied(each.transform.translation, "geometry_msgs/msg/Vector3", "x", "y", "z"),
                rotation=copied(each.transform.rotation, "geometry_msgs/msg/Quaternion", "x", "y", "z", "w"),
            ),
        )
        for each in transforms
    ]
    return to_cdr(types[TF_TYPE](transforms=told), TF_TYPE)
