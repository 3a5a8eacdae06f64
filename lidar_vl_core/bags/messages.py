"""What a recording is made of: topics, and messages that are decoded when they are asked for."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.foundation.message_types import from_cdr


@dataclass(frozen=True)
class Topic:
    """A topic of a recording."""

    name: str
    type: str  # full name, e.g. sensor_msgs/msg/PointCloud2
    count: int  # messages that can be read
    encoding: str = "cdr"


@dataclass(frozen=True)
class BagMessage:
    """One recorded message; its bytes are decoded when `message` is asked for."""

    topic: str
    type: str
    stamp_ns: int  # when it was recorded (log time)
    data: bytes  # as recorded, CDR
    encoding: str = "cdr"

    @cached_property
    def message(self) -> Any:  # noqa: ANN401  generated classes have no common base
        """The decoded message; raises BadBag naming the type where it is unknown or the bytes do not fit it."""
        if self.encoding != "cdr":
            raise BadBag(f"topic {self.topic}: expected CDR messages, found {self.encoding}. Convert the bag to ROS 2.")
        return from_cdr(self.data, self.type, self.topic)
