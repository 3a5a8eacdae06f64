"""Boxes as a PointCloud2 with one point for each: all that is known about them, in a type that every installation has."""

import numpy as np
from sensor_msgs.msg import PointCloud2

from lidar_vl_ros.messages.objects import FoundObjects
from lidar_vl_ros.messages.sensor_data import point_cloud2


def box_cloud(found: FoundObjects) -> PointCloud2:
    """One point per box, best first, with the cloud's header; width 0 for a cloud without objects.

    x, y, z of the centre, float64; length, width, height in metres, yaw in radians, score, and vx, vy in metres per second
    (NaN = unknown), float32; class_id, uint8. For each second opinion SOURCE_class_id, uint8 (255 = none), and
    SOURCE_share, float32.
    """
    boxes, narrow = found.boxes, found.boxes.boxes.astype(np.float32)
    columns = dict(zip("xyz", found.center_m().T, strict=True))
    columns |= {name: narrow[:, 3 + column] for column, name in enumerate(("length", "width", "height", "yaw"))}
    columns |= {"score": boxes.score, "vx": boxes.velocity_mps[:, 0], "vy": boxes.velocity_mps[:, 1]}
    columns["class_id"] = boxes.class_id
    for opinion in found.opinions:
        columns[f"{opinion.source}_class_id"] = opinion.majority.class_id
        columns[f"{opinion.source}_share"] = opinion.majority.share
    return point_cloud2(found.header, columns)
