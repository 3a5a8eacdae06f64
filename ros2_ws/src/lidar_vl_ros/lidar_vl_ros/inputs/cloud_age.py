"""How old clouds are on the node's clock, and which are too old to be answered."""

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from lidar_vl_core.foundation.stamps import stamp_ns
from lidar_vl_ros.health.reporter import Reporter

_TOLERANCE_MS = 10.0  # two computers under NTP, and the grain of /clock at 100 Hz


class CloudAge:
    """A negative age is not an age: such a cloud is reported, and is left out of every figure."""

    def __init__(self, node: LifecycleNode, reporter: Reporter) -> None:
        self._node, self._reporter = node, reporter

    def known_ms(self, header: Header) -> float | None:
        """Milliseconds from a cloud's stamp to now; None while clock or stamp is unset, and for a stamp ahead of the clock."""
        age_ms = self._signed_ms(header)
        return None if age_ms is None or age_ms < 0 else age_ms

    def refuses(self, header: Header, most_ms: float) -> bool:
        """Whether to drop a cloud, which is counted and reported: older than most_ms (0: never), or that far ahead."""
        age_ms = self._signed_ms(header)
        if age_ms is None:
            return False
        if age_ms < -_TOLERANCE_MS:
            self._reporter.lasting_problem(
                "ahead",
                f"stamp {-age_ms:.0f} ms ahead of this node's clock: the age of such clouds is unknown. Synchronise the "
                "clocks of LiDAR and computer, or set use_sim_time for a played recording.",
            )
        if 0 < most_ms < abs(age_ms):
            told = f"{age_ms:.0f} ms old" if age_ms > 0 else f"stamped {-age_ms:.0f} ms ahead"
            self._reporter.problem(
                "stale", f"cloud dropped, {told} by this node's clock. Is use_sim_time set correctly?"
            )
            return True
        return False

    def _signed_ms(self, header: Header) -> float | None:
        now_ns, then_ns = self._node.get_clock().now().nanoseconds, stamp_ns(header.stamp)
        return (now_ns - then_ns) / 1e6 if now_ns and then_ns else None
