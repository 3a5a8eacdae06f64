"""Play a recording into a ROS graph, byte for byte, with /clock: no rosbag2 needed."""

import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.task import Future
from rosgraph_msgs.msg import Clock

from lidar_vl_core.bags.messages import BagMessage
from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.topics import is_latched
from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.errors import BadBag, BadRequest, LidarVlError
from lidar_vl_ros.bags.rhythm import beats, restamped
from lidar_vl_ros.messages.message_class import message_class
from lidar_vl_ros.messages.qos import LATCHED, OUTPUT
from lidar_vl_ros.messages.time_message import time_message
from lidar_vl_ros.parameters import ros_parameters
from lidar_vl_ros.process.run_node import run_node

_POLL_S = 0.05
_ACKNOWLEDGED_WITHIN_S = 2.0  # reliable subscribers may still fetch the last messages


class PlayerParameters(Config):
    """Parameters of bag_player."""

    bag: str = Field("", min_length=1, description="Recording: .mcap, .db3, ROS 1 .bag or a rosbag2 folder")
    topics: tuple[str, ...] = Field((), description="Topics to play; empty: all whose message type is installed")
    rate: float = Field(1.0, gt=0.0, le=1000.0, description="Playback speed; 1: as recorded")
    loop: bool = Field(False, description="Start again at the end; /clock jumps back, as with rosbag2")
    clock_hz: float = Field(100.0, ge=0.0, le=1000.0, description="Ticks of /clock per second of recording; 0: none")
    restamp: bool = Field(False, description="Write the time of sending into every header, for latency measurements")
    wait_for: tuple[str, ...] = Field(
        (),
        description="Start when these topics have subscribers, '/topic' or '/topic=2' for two; any topic of the graph",
    )
    wait_timeout_s: float = Field(
        60.0,
        ge=0.0,
        le=3600.0,
        description="Longest wait for the subscribers of wait_for; after that the player exits with an error",
    )


@dataclass(frozen=True)
class _Channel:
    publisher: Publisher
    has_header: bool


class BagPlayer(Node):
    """Publishes the messages of a bag at their recorded times; `finished` then holds the exit code."""

    def __init__(self, **node_options: Any) -> None:  # noqa: ANN401
        super().__init__("bag_player", **node_options)
        self.finished: Future = Future()
        ros_parameters.declare(self, PlayerParameters)
        self.settings = ros_parameters.read(self, PlayerParameters)
        self._awaited = [_topic_and_count(text) for text in self.settings.wait_for]
        self._stop = threading.Event()
        self._channels = self._offer_topics()
        self._clock_publisher = self.create_publisher(Clock, "/clock", 10) if self.settings.clock_hz else None
        self._thread = threading.Thread(target=self._run, name="bag_player", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop playing."""
        self._stop.set()
        self._thread.join(2.0)

    def _offer_topics(self) -> dict[str, _Channel]:
        asked = set(self.settings.topics)
        with open_bag(self.settings.bag) as bag:
            found = {topic.name: topic.type for topic in bag.topics if topic.has_cdr}
        if asked - found.keys():
            raise BadRequest(
                f"{self.settings.bag}: expected topics {', '.join(sorted(asked - found.keys()))}, found "
                f"{', '.join(found)}. Correct the parameter `topics`."
            )
        channels = {}
        for name in (name for name in found if not asked or name in asked):
            message_type = message_class(found[name])
            if message_type is None or name == "/clock":
                reason = "this player publishes the time itself" if message_type else f"{found[name]} is not installed"
                self.get_logger().warning(f"skipping {name}: {reason}")
                continue
            publisher = self.create_publisher(message_type, name, LATCHED if is_latched(name) else OUTPUT)
            channels[name] = _Channel(publisher, _begins_with_header(message_type))
        if not channels:
            raise BadBag(
                f"{self.settings.bag}: expected at least one topic of an installed message type, found {found}. Install the package of its messages."
            )
        return channels

    def _run(self) -> None:
        try:
            self._wait_for_subscribers()
            while not self._stop.is_set():
                self._play_once()
                if not self.settings.loop:
                    break
            self._wait_until_received()
            code = 0
        except LidarVlError as error:
            self.get_logger().fatal(str(error))
            code = 2
        except Exception:
            if not self.context.ok():
                return  # told to stop while publishing
            self.get_logger().fatal(traceback.format_exc())
            code = 1
        self.finished.set_result(code)

    def _play_once(self) -> None:
        counts = dict.fromkeys(self._channels, 0)
        started_s, first_ns, last_ns = time.monotonic(), None, 0
        with open_bag(self.settings.bag) as bag:
            stamped = ((message.stamp_ns, message) for message in bag.messages(list(self._channels)))
            for beat in beats(stamped, self.settings.clock_hz):
                first_ns, last_ns = beat.time_ns if first_ns is None else first_ns, beat.time_ns
                due_s = started_s + (beat.time_ns - first_ns) / 1e9 / self.settings.rate
                if self._stop.wait(max(due_s - time.monotonic(), 0.0)):
                    return
                if beat.message is not None:
                    self._send(beat.message)
                    counts[beat.message.topic] += 1
                elif self._clock_publisher is not None:
                    self._clock_publisher.publish(Clock(clock=time_message(beat.time_ns)))
            for warning in bag.warnings:
                self.get_logger().warning(warning)
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        self.get_logger().info(
            f"played {(last_ns - (first_ns or 0)) / 1e9:.1f} s of recording in {time.monotonic() - started_s:.1f} s: {said}"
        )

    def _send(self, message: BagMessage) -> None:
        channel = self._channels[message.topic]
        cdr = message.cdr
        if self.settings.restamp and channel.has_header:
            cdr = restamped(cdr, time.time_ns())
        channel.publisher.publish(cdr)

    def _wait_for_subscribers(self) -> None:
        given_up_s = time.monotonic() + self.settings.wait_timeout_s
        while lacking := [(topic, count) for topic, count in self._awaited if self._subscribers(topic) < count]:
            if time.monotonic() > given_up_s:
                raise BadRequest(
                    f"after {self.settings.wait_timeout_s:.0f} s: expected subscribers {dict(lacking)}, found "
                    f"{ ({topic: self._subscribers(topic) for topic, _ in lacking}) }. Start them, or correct `wait_for`."
                )
            if self._stop.wait(_POLL_S):
                return

    def _wait_until_received(self) -> None:
        given_up_s = time.monotonic() + _ACKNOWLEDGED_WITHIN_S
        for channel in self._channels.values():
            channel.publisher.wait_for_all_acked(Duration(seconds=max(given_up_s - time.monotonic(), 0.0)))

    def _subscribers(self, topic: str) -> int:
        if topic in self._channels:
            return self._channels[topic].publisher.get_subscription_count()  # those already connected to us
        return self.count_subscribers(topic)


def _topic_and_count(text: str) -> tuple[str, int]:
    topic, equals, count = text.partition("=")
    if not topic.startswith("/") or (equals and not count.isdecimal()):
        raise BadRequest(f"parameter wait_for: expected '/topic' or '/topic=2', found {text!r}.")
    return topic, int(count or 1)


def _begins_with_header(message_type: Any) -> bool:  # noqa: ANN401
    return next(iter(message_type.get_fields_and_field_types().items())) == ("header", "std_msgs/Header")


def main(args: list[str] | None = None) -> int:
    """Play to the end, or until interrupted."""
    return run_node(BagPlayer, PlayerParameters, args)


if __name__ == "__main__":
    sys.exit(main())
