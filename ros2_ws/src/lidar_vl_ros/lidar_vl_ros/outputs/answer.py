"""The answer for a cloud as the outputs publish it: a class for each point, or a box for each object."""

from dataclasses import dataclass

import numpy as np
from std_msgs.msg import Header

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_ros.inputs.sensor_frame import CloudViews
from lidar_vl_ros.messages.objects import FoundObjects


@dataclass(frozen=True, eq=False)
class Answer:
    """What segmentation found for one cloud."""

    header: Header  # of the message that came
    cloud: PointCloud  # N points
    class_id: np.ndarray  # (N,) uint8, 255 = no answer
    probability: np.ndarray  # (N,) float32
    classes: ClassTable  # what these ids mean: words may change from cloud to cloud
    views: CloudViews  # images that belong to the cloud, placed and decoded when needed


@dataclass(frozen=True, eq=False)
class ObjectAnswer:
    """What detection found for one cloud."""

    found: FoundObjects
    views: CloudViews
