"""Record topics of a ROS graph into a bag, byte for byte: no rosbag2 needed."""

import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future

from lidar_vl_core.bags.writing.growing_bag import GrowingBag, Limits
from lidar_vl_core.cameras.topic_names import TopicName
from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_ros.messages.message_class import message_class
from lidar_vl_ros.messages.qos import like_publishers, subscription_events
from lidar_vl_ros.messages.sequence_gaps import SequenceGaps
from lidar_vl_ros.parameters import ros_parameters
from lidar_vl_ros.process.run_node import run_node

_POLL_S = 0.05
_DEPTH = 50  # messages that may wait while the disk is slow


class RecorderParameters(Config):
    """Parameters of bag_recorder."""

    output: str = Field(
        "",
        min_length=1,
        description="Recording to write, which must not exist yet: an .mcap file, or a folder for rosbag2",
    )
    topics: tuple[TopicName, ...] = Field((), min_length=1, description="Topics to record")
    idle_s: float = Field(
        0.0,
        ge=0.0,
        le=3600.0,
        description="Stop after this many seconds without a message, once the first one has arrived; 0: never",
    )
    count: int = Field(
        0, ge=0, le=1_000_000_000, description="Stop after this many messages on the first topic; 0: never"
    )
    max_file_mb: float = Field(0.0, ge=0.0, le=1e9, description="Start a new file at this size; 0: never")
    max_file_s: float = Field(0.0, ge=0.0, le=1e6, description="Start a new file after this many seconds; 0: never")
    min_free_mb: float = Field(
        500.0, ge=0.0, le=1e9, description="Stop with a warning once free disk space falls to this; 0: never"
    )

    @property
    def limits(self) -> Limits:
        """The limits of the recording."""
        return Limits(round(self.max_file_mb * 1e6), self.max_file_s, round(self.min_free_mb * 1e6))


class BagRecorder(Node):
    """Writes messages as they arrive, stamped with their arrival time on the node's clock."""

    def __init__(self, **node_options: Any) -> None:  # noqa: ANN401
        super().__init__("bag_recorder", **node_options)
        self.finished: Future = Future()
        ros_parameters.declare(self, RecorderParameters)
        self.settings = ros_parameters.read(self, RecorderParameters)
        self.counts: Counter[str] = Counter()
        self._gaps = {self.resolve_topic_name(topic): SequenceGaps() for topic in self.settings.topics}
        self._types: dict[str, str] = {}
        self._last_message_s: float | None = None
        self._timer = self.create_timer(_POLL_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"waiting for {', '.join(self._gaps)}")
        self._bag: GrowingBag | None = GrowingBag(Path(self.settings.output), self.settings.limits)

    def close(self) -> None:
        """Close the file properly, and log what it contains."""
        if self._bag is None:
            return
        bag, self._bag = self._bag, None
        bag.close()
        said = ", ".join(f"{topic} {bag.counts[topic]} (lost {gaps.lost})" for topic, gaps in self._gaps.items())
        self.get_logger().info(f"recorded {said} in {bag.told_files}")

    def _look(self) -> None:
        """Subscribe to topics that have appeared; stop when all topics are silent or the disk is almost full."""
        for topic in self._gaps.keys() - self._types.keys():
            self._connect(topic)
        idle_s = 0.0 if self._last_message_s is None else time.monotonic() - self._last_message_s
        if 0 < self.settings.idle_s < idle_s:
            self._finish()
        if self._bag is not None:
            self._bag.close_chunk_in_time()
            if not self._bag.has_room() and not self.finished.done():
                left = f"at most {self.settings.min_free_mb:g} MB of disk space are free (min_free_mb)"
                self.get_logger().warning(f"recording stopped: {left}. Free some space to record more.")
                self._finish()

    def _connect(self, topic: str) -> None:
        publishers = self.get_publishers_info_by_topic(topic)
        if not publishers:
            return
        type_name = publishers[0].topic_type
        message_type = message_class(type_name)
        if message_type is None:
            raise BadRequest(
                f"{topic}: expected an installed message type, found {type_name}. Install its package, or leave the topic out."
            )
        self._types[topic] = type_name
        self.create_subscription(
            message_type,
            topic,
            _with_info(partial(self._write, topic)),  # type: ignore[arg-type]  # rclpy also accepts (bytes, info)
            like_publishers([publisher.qos_profile for publisher in publishers], _DEPTH),
            raw=True,
            event_callbacks=subscription_events(topic, self.get_logger().warning),
        )
        self.get_logger().info(f"recording {topic} ({type_name})")

    def _write(self, topic: str, cdr: bytes, info: dict[str, int]) -> None:
        if self._bag is None:
            return
        self._gaps[topic].add(info["publication_sequence_number"])
        self._bag.write(topic, self._types[topic], self.get_clock().now().nanoseconds, cdr)
        self.counts[topic] += 1
        self._last_message_s = time.monotonic()
        if self.settings.count and self.counts[next(iter(self._gaps))] >= self.settings.count:
            self._finish()

    def _finish(self) -> None:
        if not self.finished.done():
            self.finished.set_result(0)


def _with_info(write: Callable[[bytes, dict[str, int]], None]) -> Callable[[bytes, dict[str, int]], None]:
    """Show two arguments: rclpy counts a callback's to decide whether to pass message info, and a partial hides them."""

    def received(cdr: bytes, info: dict[str, int]) -> None:
        write(cdr, info)

    return received


def main(args: list[str] | None = None) -> int:
    """Record until interrupted, or until a limit is reached."""
    return run_node(BagRecorder, RecorderParameters, args)


if __name__ == "__main__":
    sys.exit(main())
