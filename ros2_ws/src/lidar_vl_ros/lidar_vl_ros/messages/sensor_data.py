"""Arrays as clouds and images of sensor_msgs."""

import array
from collections.abc import Mapping

import numpy as np
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import PointCloud2Layout, encode


def position_columns(cloud: PointCloud) -> dict[str, np.ndarray]:
    """The fields x, y and z of a cloud as they came, (N,) each."""
    return dict(zip("xyz", cloud.coordinates(), strict=True))


def point_cloud2(header: Header, columns: Mapping[str, np.ndarray]) -> PointCloud2:
    """Equally long columns as an unorganised cloud, fields in the given order. Raises BadPointCloud."""
    layout: PointCloud2Layout = encode(columns)
    message = PointCloud2(
        header=header,
        height=layout.height,
        width=layout.width,
        fields=[PointField(name=f.name, offset=f.offset, datatype=f.datatype, count=f.count) for f in layout.fields],
        is_bigendian=layout.is_bigendian,
        point_step=layout.point_step,
        row_step=layout.row_step,
        is_dense=layout.is_dense,
    )
    message.data = _bytes(layout.data)
    return message


def rgb_image(header: Header, rgb: np.ndarray) -> Image:
    """(H, W, 3) uint8 as an rgb8 image."""
    height, width = rgb.shape[:2]
    return Image(
        header=header,
        height=height,
        width=width,
        encoding="rgb8",
        step=3 * width,
        data=_bytes(np.ascontiguousarray(rgb)),
    )


def _bytes(values: np.ndarray) -> array.array:
    """The only form in which every version of rclpy takes a payload at once; a numpy array is walked byte by byte."""
    payload = array.array("B")
    payload.frombytes(values.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # any buffer serves
    return payload
