"""A labelled cloud as a PointCloud2 message, without ROS."""

from typing import Any

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud, PointLabelled
from lidar_vl_core.clouds.point_cloud2 import PointCloud2Layout, encode_labelled
from lidar_vl_core.foundation.message_types import CLOUD_TYPE, message_types
from lidar_vl_core.foundation.stamps import sec_and_nanosec


def labelled_message(cloud: PointCloud, labels: PointLabelled, rgb: np.ndarray | None = None) -> Any:  # noqa: ANN401  a generated class
    """The labelled cloud as a message of `message_types()`; with a field `rgb` where (N, 3) uint8 colours are given."""
    return cloud_message(
        encode_labelled(cloud, labels.class_id, labels.probability, rgb), cloud.stamp_ns, cloud.frame_id
    )


def cloud_message(layout: PointCloud2Layout, stamp_ns: int, frame_id: str) -> Any:  # noqa: ANN401  a generated class
    """A laid out cloud as a message of `message_types()`."""
    types = message_types().types
    sec, nanosec = sec_and_nanosec(stamp_ns)
    stamp = types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
    fields = [
        types["sensor_msgs/msg/PointField"](name=f.name, offset=f.offset, datatype=f.datatype, count=f.count)
        for f in layout.fields
    ]
    return types[CLOUD_TYPE](
        header=types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id),
        height=layout.height,
        width=layout.width,
        fields=fields,
        is_bigendian=layout.is_bigendian,
        point_step=layout.point_step,
        row_step=layout.row_step,
        data=layout.data,
        is_dense=layout.is_dense,
    )
