"""Messages of ROS 2 from what a made-up street gives."""

from io import BytesIO
from typing import Any

import numpy as np

from lidar_vl_core.foundation.message_types import message_types
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.synthetic.sensors.drive import SyntheticFrame, SyntheticView
from tests.data.makers.street import places

TYPES = message_types().types


def header_of(stamp_ns: int, frame_id: str) -> Any:
    time = TYPES["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return TYPES["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def vector(xyz: Any) -> Any:
    return TYPES["geometry_msgs/msg/Vector3"](*map(float, xyz))


def quaternion(xyzw: Any) -> Any:
    return TYPES["geometry_msgs/msg/Quaternion"](*map(float, xyzw))


def pose_of(T: RigidTransform) -> Any:
    return TYPES["geometry_msgs/msg/Pose"](
        position=TYPES["geometry_msgs/msg/Point"](*map(float, T.translation_m)),
        orientation=quaternion(T.quaternion()),
    )


def transforms(stamp_ns: int, parent: str, child: str, T_parent_child: RigidTransform) -> Any:
    transform = TYPES["geometry_msgs/msg/Transform"](
        translation=vector(T_parent_child.translation_m), rotation=quaternion(T_parent_child.quaternion())
    )
    stamped = TYPES["geometry_msgs/msg/TransformStamped"](
        header=header_of(stamp_ns, parent), child_frame_id=child, transform=transform
    )
    return TYPES["tf2_msgs/msg/TFMessage"](transforms=[stamped])


def cloud_message(frame: SyntheticFrame, stamp_ns: int, frame_id: str) -> Any:
    rows = np.column_stack([places(frame.cloud.xyz_m), np.round(100 * frame.cloud.intensity) / 100]).astype("<f4")
    field = TYPES["sensor_msgs/msg/PointField"]
    return TYPES["sensor_msgs/msg/PointCloud2"](
        header=header_of(stamp_ns, frame_id), height=1, width=len(rows),
        fields=[field(name=name, offset=4 * k, datatype=7, count=1) for k, name in enumerate(("x", "y", "z", "intensity"))],
        is_bigendian=False, point_step=16, row_step=16 * len(rows), data=np.frombuffer(rows.tobytes(), np.uint8), is_dense=True,
    )  # fmt: skip


def image_message(header: Any, rgb: np.ndarray) -> Any:
    height, width = rgb.shape[:2]
    return TYPES["sensor_msgs/msg/Image"](
        header=header,
        height=height,
        width=width,
        encoding="bgr8",
        is_bigendian=0,
        step=3 * width,
        data=rgb[..., ::-1].ravel(),
    )


def jpeg_message(header: Any, rgb: np.ndarray) -> Any:
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=85)
    return TYPES["sensor_msgs/msg/CompressedImage"](
        header=header, format="jpeg", data=np.frombuffer(stream.getvalue(), np.uint8)
    )


def camera_info(header: Any, view: SyntheticView) -> Any:
    K = view.camera.K
    roi = TYPES["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return TYPES["sensor_msgs/msg/CameraInfo"](
        header=header, height=view.camera.height, width=view.camera.width, distortion_model="plumb_bob", d=np.zeros(5), k=K.ravel(),
        r=np.eye(3).ravel(), p=np.hstack([K, np.zeros((3, 1))]).ravel(), binning_x=0, binning_y=0, roi=roi,
    )  # fmt: skip
