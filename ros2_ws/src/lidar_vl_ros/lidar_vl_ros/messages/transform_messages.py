"""Rigid transforms as ROS writes them."""

from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from std_msgs.msg import Header

from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_ros.messages.time_message import time_message


def transform_message(parent: str, child: str, stamp_ns: int, T_parent_child: RigidTransform) -> TransformStamped:
    """With the name of its frames, without a leading slash."""
    (x, y, z), (qx, qy, qz, qw) = T_parent_child.translation_m.tolist(), T_parent_child.quaternion().tolist()
    transform = Transform(translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw))
    header = Header(stamp=time_message(stamp_ns), frame_id=parent.removeprefix("/"))
    return TransformStamped(header=header, child_frame_id=child.removeprefix("/"), transform=transform)


def rigid_transform(message: Transform) -> RigidTransform:
    """Raises BadTransform for numbers that are none."""
    rotation, translation = message.rotation, message.translation
    return RigidTransform.from_quaternion(
        (rotation.x, rotation.y, rotation.z, rotation.w), (translation.x, translation.y, translation.z)
    )
