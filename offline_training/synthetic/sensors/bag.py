"""A synthetic drive as a rosbag2 recording: cloud, true boxes, images, calibrations and transforms. Writes a file."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.detection_messages import detections_message
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import encode
from lidar_vl_core.foundation.message_types import message_types
from lidar_vl_core.foundation.stamps import sec_and_nanosec
from lidar_vl_core.foundation.vision_messages import DETECTIONS_TYPE
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.synthetic.sensors.camera import RING, T_base_camera
from offline_training.synthetic.sensors.lidar_spec import LidarSpec

CLOUD_TOPIC, BOX_TOPIC = "/lidar/points", "/lidar/boxes_truth"


@dataclass(frozen=True, eq=False)
class CameraShot:
    """One JPEG image."""

    name: str
    camera: CameraModel
    stamp_ns: int
    jpeg: bytes


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """What is recorded of one frame."""

    cloud: PointCloud
    boxes: Boxes3d  # of the things that it has points of, in its frame, in ids of nuScenes' 16 classes
    shots: tuple[CameraShot, ...]
    poses: tuple[tuple[int, RigidTransform], ...]  # (stamp_ns, T_map_base), in time order


class DriveBag:
    """Writes frames into a recording; topics as the README of the demo names them.

    /lidar/points, /lidar/boxes_truth, /camera/<name>/image/compressed, /camera/<name>/camera_info, /tf (map -> base_link)
    and /tf_static (base_link -> lidar_top and every <cam>_optical).
    """

    def __init__(self, path: Path, lidar: LidarSpec) -> None:
        self._bag, self._lidar = BagWriter(path), lidar
        self._types = message_types().types
        self._classes = class_table("nuscenes16")
        self._started = False

    def __enter__(self) -> "DriveBag":
        self._bag.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bag.__exit__(kind, error, trace)

    def write(self, frame: FrameRecord) -> None:
        """Append one frame, its messages in the order of their stamps, transforms first."""
        if not self._started:
            self._write_static(frame.poses[0][0])
            self._started = True
        messages: list[tuple[int, int, str, str, Any]] = []
        for stamp, pose in frame.poses:
            content = self._types["tf2_msgs/msg/TFMessage"](
                transforms=[self._transform(stamp, "map", "base_link", pose)]
            )
            messages.append((stamp, 0, "/tf", "tf2_msgs/msg/TFMessage", content))
        for shot in frame.shots:
            topic, optical = f"/camera/{shot.name}", f"cam_{shot.name}_optical"
            messages.append(
                (
                    shot.stamp_ns,
                    1,
                    f"{topic}/camera_info",
                    "sensor_msgs/msg/CameraInfo",
                    self._camera_info(shot, optical),
                )
            )
            image = self._types["sensor_msgs/msg/CompressedImage"](
                header=self._header(shot.stamp_ns, optical),
                format="rgb8; jpeg compressed bgr8",
                data=np.frombuffer(shot.jpeg, np.uint8),
            )
            messages.append((shot.stamp_ns, 2, f"{topic}/image/compressed", "sensor_msgs/msg/CompressedImage", image))
        messages.append((frame.cloud.stamp_ns, 3, CLOUD_TOPIC, "sensor_msgs/msg/PointCloud2", self._cloud(frame.cloud)))
        boxes = detections_message(frame.boxes, self._classes, frame.cloud.stamp_ns)
        messages.append((frame.cloud.stamp_ns, 4, BOX_TOPIC, DETECTIONS_TYPE, boxes))
        for stamp, _, topic, type_name, message in sorted(messages, key=lambda item: item[:3]):
            self._bag.write(topic, type_name, stamp, message)

    def _write_static(self, stamp_ns: int) -> None:
        mounts = [("lidar_top", self._lidar.T_base_lidar())] + [
            (f"cam_{mount.name}_optical", T_base_camera(mount)) for mount in RING
        ]
        transforms = [self._transform(stamp_ns, "base_link", child, pose) for child, pose in mounts]
        content = self._types["tf2_msgs/msg/TFMessage"](transforms=transforms)
        self._bag.write("/tf_static", "tf2_msgs/msg/TFMessage", stamp_ns, content)

    def _header(self, stamp_ns: int, frame_id: str) -> Any:  # noqa: ANN401  generated classes
        sec, nanosec = sec_and_nanosec(stamp_ns)
        time = self._types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
        return self._types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)

    def _transform(self, stamp_ns: int, parent: str, child: str, T_parent_child: RigidTransform) -> Any:  # noqa: ANN401  generated classes
        x, y, z = (float(value) for value in T_parent_child.translation_m)
        qx, qy, qz, qw = (float(value) for value in T_parent_child.quaternion())
        return self._types["geometry_msgs/msg/TransformStamped"](
            header=self._header(stamp_ns, parent),
            child_frame_id=child,
            transform=self._types["geometry_msgs/msg/Transform"](
                translation=self._types["geometry_msgs/msg/Vector3"](x=x, y=y, z=z),
                rotation=self._types["geometry_msgs/msg/Quaternion"](x=qx, y=qy, z=qz, w=qw),
            ),
        )

    def _camera_info(self, shot: CameraShot, frame_id: str) -> Any:  # noqa: ANN401  generated classes
        K = shot.camera.K
        return self._types["sensor_msgs/msg/CameraInfo"](
            header=self._header(shot.stamp_ns, frame_id),
            height=shot.camera.height,
            width=shot.camera.width,
            distortion_model=shot.camera.model,
            d=np.array(shot.camera.D, np.float64),
            k=K.ravel(),
            r=np.eye(3).ravel(),
            p=np.hstack([K, np.zeros((3, 1))]).ravel(),
            binning_x=0,
            binning_y=0,
            roi=self._types["sensor_msgs/msg/RegionOfInterest"](
                x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
            ),
        )

    def _cloud(self, cloud: PointCloud) -> Any:  # noqa: ANN401  generated classes
        x, y, z = cloud.xyz_m.T
        columns = {
            "x": x,
            "y": y,
            "z": z,
            "intensity": cloud.intensity,
            **{name: cloud.extra[name] for name in ("ring", "time", "label")},
        }
        layout = encode(columns)
        field = self._types["sensor_msgs/msg/PointField"]
        return self._types["sensor_msgs/msg/PointCloud2"](
            header=self._header(cloud.stamp_ns, cloud.frame_id),
            height=layout.height,
            width=layout.width,
            fields=[
                field(name=item.name, offset=item.offset, datatype=item.datatype, count=1) for item in layout.fields
            ],
            is_bigendian=layout.is_bigendian,
            point_step=layout.point_step,
            row_step=layout.row_step,
            data=layout.data,
            is_dense=layout.is_dense,
        )
