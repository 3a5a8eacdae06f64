"""Parameters of one camera, and what follows from the names of its topics."""

from pydantic import Field, model_validator

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.topic_names import UNREAD_TRANSPORTS, TopicName, image_base, is_rectified, transport_of
from lidar_vl_core.foundation.config import Config


class CameraParameters(Config):
    """Parameters of one camera: cameras.NAME.topic and so on."""

    topic: TopicName = Field("", min_length=1, description="Topic of its images, raw or compressed")
    info_topic: TopicName = Field("", description="Topic of its camera_info; empty: camera_info beside the images")
    offset_s: float = Field(
        0.0, ge=-10.0, le=10.0, description="Stamp of the matching image minus the stamp of the cloud"
    )
    tolerance_s: float = Field(
        0.05, gt=0.0, le=10.0, description="Largest time difference, after the offset, between a cloud and its image"
    )
    required: bool = Field(
        False, description="Drop clouds without an image of this camera; clouds then always wait for images"
    )
    rectified: bool | None = Field(
        None,
        description="Whether its images are rectified: true uses P of camera_info, false K and D; unset: decided by the topic's name",
    )
    mask: str = Field(
        "", description="PNG or JPEG file of the images' size, black where they show the own vehicle; empty: no mask"
    )

    @model_validator(mode="after")
    def _images_can_be_read(self) -> "CameraParameters":
        if transport_of(self.topic) in UNREAD_TRANSPORTS:
            base = image_base(self.topic)
            raise ValueError(
                f"topic: expected raw or compressed images, found {self.topic}. Use {base} or {base}/compressed"
            )
        if self.topic == self.calibration_topic:
            raise ValueError(f"topic: expected the topic of the images, found that of their camera_info, {self.topic}")
        return self

    @property
    def calibration_topic(self) -> str:
        """The topic of its camera_info."""
        return self.info_topic or camera_info_topic(self.topic)

    @property
    def is_compressed(self) -> bool:
        """Whether its images are sensor_msgs/CompressedImage."""
        return bool(transport_of(self.topic))

    @property
    def image_type(self) -> str:
        """The message type of its images."""
        return f"sensor_msgs/msg/{'CompressedImage' if self.is_compressed else 'Image'}"

    @property
    def is_rectified(self) -> bool:
        """Whether its images are rectified."""
        return is_rectified(self.topic) if self.rectified is None else self.rectified

    def timing(self, name: str) -> CameraTiming:
        """Its timing as the pairer takes it."""
        return CameraTiming(name, self.offset_s, self.tolerance_s)


def camera_info_topic(image_topic: str) -> str:
    """The camera_info beside an image: /front/image/compressed and /front/image -> /front/camera_info."""
    return image_base(image_topic).rpartition("/")[0] + "/camera_info"
