"""What every node that serves clouds is told: name, type, default, range and meaning of each parameter."""

from typing import ClassVar

from pydantic import Field

from lidar_vl_core.foundation.config import Config
from lidar_vl_ros.black_box.parameters import BlackBoxParameters
from lidar_vl_ros.health.health import Limits
from lidar_vl_ros.inputs.camera_parameters import CameraParameters
from lidar_vl_ros.inputs.lidar_parameters import LidarParameters


class NodeParameters(Config):
    """What every node that serves clouds is told."""

    # Names that are no more, and what took their place: refused, as ROS would pass over them in silence.
    retired: ClassVar[dict[str, str]] = {
        "camera_topics": "each camera has a name now: cameras.NAME.topic, e.g. cameras.front.topic",
        "camera_max_time_difference_s": "it is each camera's own now: cameras.NAME.tolerance_s",
    }

    autostart: bool = Field(True, description="Configure and activate by itself; false: wait for a lifecycle manager")
    max_points: int = Field(
        2_000_000,
        ge=1,
        le=10_000_000,
        description="Of larger clouds so many points, spread evenly, are looked at; the others get no answer",
    )
    max_input_age_ms: float = Field(
        0.0,
        ge=0.0,
        le=60_000.0,
        description="Drop a cloud whose stamp is older than this on the node's clock; 0: never",
    )
    input_timeout_s: float = Field(
        2.0, ge=0.1, le=3600.0, description="Report a silent input topic after this many seconds"
    )
    max_processing_ms: float = Field(
        100.0,
        gt=0.0,
        le=60_000.0,
        description="Diagnostics warn when a cloud takes longer than this; 100: a 10 Hz LiDAR",
    )
    max_consecutive_delays: int = Field(
        10,
        ge=1,
        le=10_000,
        description="After so many clouds in a row that took longer than max_processing_ms diagnostics say ERROR",
    )
    intensity_max: float = Field(
        0.0, ge=0.0, le=1e9, description="Full scale of the driver's intensity; 0: judged once, by the first cloud"
    )
    cameras: dict[str, CameraParameters] = Field(
        {}, description="Cameras by name, each with parameters of its own: cameras.NAME.topic and so on"
    )
    camera_max_wait_s: float = Field(
        0.1,
        ge=0.0,
        le=10.0,
        description="How long a cloud waits for images that somebody needs and that can still come",
    )
    lidars: dict[str, LidarParameters] = Field(
        {}, description="Further LiDARs by name, whose points are added to each cloud: lidars.NAME.topic and so on"
    )
    lidar_max_wait_s: float = Field(
        0.1,
        ge=0.0,
        le=2.0,
        description="How long a cloud waits for those of further LiDARs, and for the transforms of its points' times",
    )
    compensate_motion: bool = Field(
        False, description="Bring the points of each cloud to its stamp, by their own times and the sensor's motion"
    )
    calibration_check_s: float = Field(
        0.0,
        ge=0.0,
        le=3600.0,
        description="Compare the edges of a cloud and its images so often, and warn where they do not meet; 0: never",
    )
    tf_max_wait_s: float = Field(
        0.1,
        ge=0.0,
        le=10.0,
        description="How long a cloud waits for moving transforms that place its images; then those that never change do, counted",
    )
    static_transforms: tuple[str, ...] = Field(
        (), description="Transforms as 'parent child x y z qx qy qz qw', for systems without /tf_static"
    )
    black_box: BlackBoxParameters = BlackBoxParameters.model_validate({})

    @property
    def motion_needed(self) -> bool:
        """Whether the sensor's motion is asked for, whatever the tasks do."""
        return self.compensate_motion or bool(self.lidars)

    @property
    def limits(self) -> Limits:
        """What the diagnostics judge by."""
        return Limits(round(self.input_timeout_s * 1e9), self.max_processing_ms, self.max_consecutive_delays)
