"""Parameters of every node that serves clouds: name, type, default, range and meaning of each."""

from typing import ClassVar

from pydantic import Field

from lidar_vl_core.foundation.config import Config
from lidar_vl_ros.black_box.parameters import BlackBoxParameters
from lidar_vl_ros.health.health import Limits
from lidar_vl_ros.inputs.camera_parameters import CameraParameters
from lidar_vl_ros.inputs.lidar_parameters import LidarParameters


class NodeParameters(Config):
    """Parameters of every node that serves clouds."""

    # Retired names, and what replaced them: refused, as ROS would ignore them silently.
    retired: ClassVar[dict[str, str]] = {
        "camera_topics": "each camera has a name now: cameras.NAME.topic, e.g. cameras.front.topic",
        "camera_max_time_difference_s": "each camera has its own now: cameras.NAME.tolerance_s",
    }

    autostart: bool = Field(True, description="Configure and activate at start-up; false: wait for a lifecycle manager")
    max_points: int = Field(
        2_000_000,
        ge=1,
        le=10_000_000,
        description="Of a larger cloud only this many points, spread evenly, are processed; the others get no label and are in no box",
    )
    max_input_age_ms: float = Field(
        0.0,
        ge=0.0,
        le=60_000.0,
        description="Drop clouds whose stamp is older than this by the node's clock; 0: never",
    )
    input_timeout_s: float = Field(
        2.0, ge=0.1, le=3600.0, description="Report an input topic as silent after this many seconds without a message"
    )
    max_processing_ms: float = Field(
        100.0,
        gt=0.0,
        le=60_000.0,
        description="Diagnostics warn when a cloud takes longer than this; 100 suits a 10 Hz LiDAR",
    )
    max_consecutive_delays: int = Field(
        10,
        ge=1,
        le=10_000,
        description="Diagnostics report ERROR after this many clouds in a row that took longer than max_processing_ms",
    )
    intensity_max: float = Field(
        0.0, ge=0.0, le=1e9, description="Full scale of the driver's intensity; 0: estimated once, from the first cloud"
    )
    cameras: dict[str, CameraParameters] = Field(
        {}, description="Cameras by name, each with its own parameters: cameras.NAME.topic and so on"
    )
    camera_max_wait_s: float = Field(
        0.1,
        ge=0.0,
        le=10.0,
        description="Longest time a cloud waits for images that are needed and may still arrive",
    )
    lidars: dict[str, LidarParameters] = Field(
        {}, description="Additional LiDARs by name, whose points are added to each cloud: lidars.NAME.topic and so on"
    )
    lidar_max_wait_s: float = Field(
        0.1,
        ge=0.0,
        le=2.0,
        description="Longest time a cloud waits for the clouds of additional LiDARs and for the transforms at its points' times",
    )
    compensate_motion: bool = Field(
        False,
        description="Correct each cloud for the sensor's motion: move its points from their own times to the cloud's stamp",
    )
    calibration_check_s: float = Field(
        0.0,
        ge=0.0,
        le=3600.0,
        description="Seconds between comparisons of a cloud's edges with its images'; warns where they do not match; 0: never",
    )
    tf_max_wait_s: float = Field(
        0.1,
        ge=0.0,
        le=10.0,
        description="Longest time a cloud waits for the moving transforms of its images; after that the static ones alone are used, and counted",
    )
    static_transforms: tuple[str, ...] = Field(
        (), description="Transforms as 'parent child x y z qx qy qz qw', for systems without /tf_static"
    )
    black_box: BlackBoxParameters = BlackBoxParameters.model_validate({})

    @property
    def motion_needed(self) -> bool:
        """Whether the sensor's motion is needed, whatever the tasks do."""
        return self.compensate_motion or bool(self.lidars)

    @property
    def limits(self) -> Limits:
        """The limits that the diagnostics judge by."""
        return Limits(round(self.input_timeout_s * 1e9), self.max_processing_ms, self.max_consecutive_delays)
