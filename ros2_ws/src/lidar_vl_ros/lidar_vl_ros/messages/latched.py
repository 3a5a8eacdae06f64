"""What a publisher said once, perhaps before this node listened, and keeps for late subscribers: calibrations of some cameras."""

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

_WHAT_IS_KEPT = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class LatchedToo:
    """A second subscription beside a plain one, only where a publisher keeps its messages: another's node would warn of it."""

    def __init__(self, node: Node, kind: type, topic: str, heard: Callable[[Any], None], raw: bool = False) -> None:
        """heard: called with messages, with raw with their bytes; it hears later ones by both subscriptions."""
        self._node, self._kind, self._topic, self._heard, self._raw = node, kind, topic, heard, raw
        self._subscription: Any = None

    def look(self) -> None:
        """Subscribe if a publisher that keeps its messages has been discovered; for calling now and then."""
        if self._subscription is not None:
            return
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        if any(each.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for each in publishers):
            events = SubscriptionEventCallbacks(use_default_callbacks=False)  # others on this topic are heard anyway
            self._subscription = self._node.create_subscription(
                self._kind, self._topic, self._heard, _WHAT_IS_KEPT, raw=self._raw, event_callbacks=events
            )

    def stop(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None


class AllLatchedToo:
    """Those of one owner, looked for and stopped together."""

    def __init__(self) -> None:
        self._each: list[LatchedToo] = []

    def add(self, one: LatchedToo) -> None:
        """Look for this one, too."""
        self._each.append(one)

    def look(self) -> None:
        """Look for each; for calling now and then."""
        for one in self._each:
            one.look()

    def stop(self) -> None:
        """Unsubscribe, and look for none any more."""
        for one in self._each:
            one.stop()
        self._each = []
