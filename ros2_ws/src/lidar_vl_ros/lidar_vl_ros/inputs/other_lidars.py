"""The clouds of additional LiDARs, kept until the input clouds that they belong to are processed."""

import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.foundation.stamps import nanoseconds, stamp_ns
from lidar_vl_ros.inputs.lidar_parameters import LidarParameters
from lidar_vl_ros.inputs.lidar_queue import LidarQueue
from lidar_vl_ros.messages.qos import NEWEST_ONLY, subscription_events


class OtherLidars:
    """Subscribes between `start` and `stop` in the executor's thread; `taken` is called by the worker's."""

    def __init__(self, node: LifecycleNode, lidars: Mapping[str, LidarParameters]) -> None:
        self._node, self.parameters = node, lidars
        self._changed = threading.Condition()
        self._subscriptions: list[Any] = []
        self._queues: dict[str, LidarQueue] = {}

    def start(self) -> None:
        """Subscribe; earlier clouds are discarded."""
        self._queues = {name: LidarQueue(nanoseconds(lidar.tolerance_s)) for name, lidar in self.parameters.items()}
        for name, lidar in self.parameters.items():
            events = subscription_events(self._node.resolve_topic_name(lidar.topic), self._node.get_logger().warning)
            self._subscriptions.append(
                self._node.create_subscription(
                    PointCloud2, lidar.topic, partial(self._add, name), NEWEST_ONLY, event_callbacks=events
                )
            )

    def stop(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def taken(self, stamp: int, wait_until_s: float) -> dict[str, PointCloud2]:
        """The clouds that belong to one of this stamp, by name; waits for those that are about to arrive.

        wait_until_s: on time.monotonic().
        """
        with self._changed:
            while any(queue.nearer_is_to_come(stamp) for queue in self._queues.values()):
                left_s = wait_until_s - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            found = {name: queue.nearest(stamp) for name, queue in self._queues.items()}
        return {name: kept.cloud for name, kept in found.items() if kept is not None}

    def _add(self, name: str, message: PointCloud2) -> None:
        with self._changed:
            self._queues[name].add(stamp_ns(message.header.stamp), message)
            self._changed.notify_all()
