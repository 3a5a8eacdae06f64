"""The contents of a recording: topics, and messages that are decoded on demand."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lidar_vl_core.bags.unpacking import MAX_UNPACKED_BYTES, ZSTD_MAGIC, DamagedRecordError, unzstd
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.foundation.message_types import from_cdr, is_read_from_ros1, ros1_to_cdr


@dataclass(frozen=True)
class Topic:
    """A topic of a recording."""

    name: str
    type: str  # full name, e.g. sensor_msgs/msg/PointCloud2
    count: int  # messages that can be read
    encoding: str = "cdr"

    @property
    def has_cdr(self) -> bool:
        """Whether its messages are ROS 2's bytes (CDR), or can be converted to them."""
        return self.encoding == "cdr" or (self.encoding == "ros1" and is_read_from_ros1(self.type))


@dataclass(frozen=True)
class BagMessage:
    """One recorded message; its bytes are unpacked and decoded on demand."""

    topic: str
    type: str
    stamp_ns: int  # when it was recorded (log time)
    data: bytes  # as recorded
    encoding: str = "cdr"

    @cached_property
    def cdr(self) -> bytes:
        """The message's CDR bytes; raises BadBag where it is encoded in another way or cannot be unpacked."""
        if self.encoding == "ros1":
            return ros1_to_cdr(self.data, self.type, self.topic)
        if self.encoding != "cdr":
            raise BadBag(
                f"topic {self.topic}: expected messages of ROS 2 (cdr) or ROS 1 (ros1), found {self.encoding or 'no encoding'}. "
                "Convert the topic to one of them."
            )
        if not self.data.startswith(ZSTD_MAGIC):  # CDR starts with a zero
            return self.data
        try:
            return unzstd(self.data, MAX_UNPACKED_BYTES)
        except DamagedRecordError as error:
            raise BadBag(
                f"topic {self.topic}: expected a zstd-compressed message, found: {error}. The message is damaged."
            ) from error

    @cached_property
    def message(self) -> Any:  # noqa: ANN401  generated classes have no common base
        """The decoded message; raises BadBag naming the type where it is unknown or the bytes do not fit it."""
        return from_cdr(self.cdr, self.type, self.topic)
