"""What a node is told of a LiDAR whose points are added to its clouds."""

from pydantic import Field

from lidar_vl_core.foundation.config import Config


class LidarParameters(Config):
    """One more LiDAR: lidars.NAME.topic and what else is to be known of it."""

    topic: str = Field("", min_length=1, description="Its clouds")
    tolerance_s: float = Field(
        0.1, gt=0.0, le=10.0, description="Furthest stamp of a cloud that is added to one of the input"
    )
    required: bool = Field(False, description="Without it a cloud of the input is dropped; else it is served alone")
    intensity_max: float = Field(
        0.0, ge=0.0, le=1e9, description="Full scale of its intensity; 0: judged once, by its first cloud"
    )
