"""Parameters of an additional LiDAR, whose points are added to the node's clouds."""

from pydantic import Field

from lidar_vl_core.cameras.topic_names import TopicName
from lidar_vl_core.foundation.config import Config


class LidarParameters(Config):
    """Parameters of one additional LiDAR: lidars.NAME.topic and so on."""

    topic: TopicName = Field("", min_length=1, description="Topic of its clouds")
    tolerance_s: float = Field(
        0.1, gt=0.0, le=10.0, description="Largest time difference between its cloud and the input cloud it is added to"
    )
    required: bool = Field(
        False, description="Drop input clouds without a cloud of this LiDAR; false: process them alone"
    )
    intensity_max: float = Field(
        0.0, ge=0.0, le=1e9, description="Full scale of its intensity; 0: estimated once, from its first cloud"
    )
