"""What the core computed, as ROS messages; and message types by name."""

import array
import importlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header, String

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import PointCloud2Layout, encode
from lidar_vl_core.foundation.stamps import sec_and_nanosec


def labelled_cloud(header: Header, cloud: PointCloud, class_id: np.ndarray, probability: np.ndarray) -> PointCloud2:
    """The input cloud, point by point, with class_id and probability, and the extra fields the cloud carries."""
    answer = {"intensity": cloud.intensity, "class_id": class_id, "probability": probability}
    columns = _position(cloud) | answer
    return point_cloud2(header, columns | {name: cloud.extra[name] for name in cloud.extra if name not in columns})


def coloured_cloud(header: Header, cloud: PointCloud, class_id: np.ndarray, classes: ClassTable) -> PointCloud2:
    """The input cloud with the colours of its classes, as RViz and Foxglove read them: `rgb`, 0x00RRGGBB."""
    red, green, blue = classes.colorize(class_id).astype(np.uint32).T
    return point_cloud2(header, _position(cloud) | {"rgb": (red << 16 | green << 8 | blue).view(np.float32)})


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


def label_info(classes: ClassTable, after_stamp_ns: int = 0) -> String:
    """Class names and colours as JSON; id k is the k-th name in clouds later than after_stamp_ns, the last of those before."""
    return String(
        data=json.dumps(
            {
                "class_table": classes.name,
                "names": list(classes.names),
                "colors_rgb": classes.colors_rgb.tolist(),
                "ignore_id": IGNORE_ID,
                "after_stamp_ns": after_stamp_ns,
            }
        )
    )


def vision_label_info(classes: ClassTable) -> Any | None:  # noqa: ANN401
    """Class names as vision_msgs/LabelInfo, or None where vision_msgs is not installed."""
    info_class, entry_class = message_class("vision_msgs/msg/LabelInfo"), message_class("vision_msgs/msg/VisionClass")
    if info_class is None or entry_class is None:
        return None
    entries = [entry_class(class_id=class_id, class_name=name) for class_id, name in enumerate(classes.names)]
    return info_class(class_map=entries)


def time_message(nanoseconds: int) -> Time:
    """Nanoseconds as a stamp."""
    sec, nanosec = sec_and_nanosec(nanoseconds)
    return Time(sec=sec, nanosec=nanosec)


def message_class(type_name: str) -> Any | None:  # noqa: ANN401
    """The class of `package/msg/Type`, or None where that package is not installed."""
    package, _, name = type_name.replace("/msg/", "/").partition("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name, None)
    except ImportError:
        return None


def _position(cloud: PointCloud) -> dict[str, np.ndarray]:
    return {"x": cloud.xyz_m[:, 0], "y": cloud.xyz_m[:, 1], "z": cloud.xyz_m[:, 2]}


def _bytes(values: np.ndarray) -> array.array:
    """The only form in which every version of rclpy takes a payload at once; a numpy array is walked byte by byte."""
    payload = array.array("B")
    payload.frombytes(values.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # any buffer serves
    return payload
