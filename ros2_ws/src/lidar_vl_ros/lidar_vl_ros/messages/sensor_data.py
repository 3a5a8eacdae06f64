"""Arrays as clouds and images of sensor_msgs."""

import array
from collections.abc import Mapping

import numpy as np
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import PointCloud2Layout, encode


def position_columns(cloud: PointCloud) -> dict[str, np.ndarray]:
    """The fields x, y and z of a cloud as received, (N,) each."""
    return dict(zip("xyz", cloud.coordinates(), strict=True))


def point_cloud2(header: Header, columns: Mapping[str, np.ndarray]) -> PointCloud2:
    """Columns of (N,) as an unorganised cloud, fields in the given order. Raises BadPointCloud."""
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
    _fill(message.data, layout.data)
    return message


def rgb_image(header: Header, rgb: np.ndarray) -> Image:
    """(H, W, 3) uint8 as an rgb8 image."""
    height, width = rgb.shape[:2]
    message = Image(header=header, height=height, width=width, encoding="rgb8", step=3 * width)
    _fill(message.data, np.ascontiguousarray(rgb))
    return message


def _fill(payload: array.array, values: np.ndarray) -> None:
    """Put bytes into the empty array of a new message, the only way without a second copy.

    Setters copy what they are given, and walk a numpy array byte by byte.
    """
    payload.frombytes(values.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # any buffer serves
