"""QoS profiles, and the warning for two ends that are incompatible."""

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy

# Best effort is compatible with every publisher; depth 1, because a queue is delay.
NEWEST_ONLY = QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT)
# Reliable serves both kinds of subscribers; five clouds bridge a short stall of a recorder.
OUTPUT = QoSProfile(depth=5, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)

Say = Callable[[str], Any]


def publisher_events(topic: str, say: Say) -> PublisherEventCallbacks:
    """Report subscribers that ask for more than this publisher offers."""
    return PublisherEventCallbacks(incompatible_qos=lambda event: say(_mismatch(topic, "subscriber", event)))


def subscription_events(topic: str, say: Say) -> SubscriptionEventCallbacks:
    """Report publishers that offer less than this subscription asks for."""
    return SubscriptionEventCallbacks(incompatible_qos=lambda event: say(_mismatch(topic, "publisher", event)))


def like_publishers(offered: list[QoSProfile], depth: int) -> QoSProfile:
    """A profile that is compatible with every given publisher and loses as little as they allow."""
    reliable = all(profile.reliability == ReliabilityPolicy.RELIABLE for profile in offered)
    latched = all(profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in offered)
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _mismatch(topic: str, other: str, event: Any) -> str:  # noqa: ANN401
    policy = QoSPolicyKind(event.last_policy_kind).name
    return (
        f"{topic}: a {other} has an incompatible QoS, so no messages pass ({policy}, {event.total_count} so far). "
        f"Give both ends the same {policy.lower()}."
    )
