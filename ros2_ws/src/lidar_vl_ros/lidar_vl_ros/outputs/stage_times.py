"""~/debug/*_ms: how long each stage of the work on a cloud took."""

from collections.abc import Iterable, Mapping

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Float64

from lidar_vl_ros.node.publishing import offer, publish

_LATENCY = "pipeline_latency"


class StageTimes:
    """Told after the outputs, whose publication is part of the latency; nobody's listening to them makes work."""

    def __init__(self, node: LifecycleNode, stages: Iterable[str]) -> None:
        self._node = node
        self._publishers = {stage: offer(node, f"~/debug/{stage}_ms", Float64) for stage in (*stages, _LATENCY)}

    def publish(self, timing_ms: Mapping[str, float], latency_ms: float | None) -> None:
        """Milliseconds by stage, unknown stages left out; latency_ms: from the stamp, None where the clocks do not tell."""
        measured = timing_ms if latency_ms is None else {**timing_ms, _LATENCY: latency_ms}
        for stage, duration_ms in measured.items():
            if stage in self._publishers:
                publish(self._node, self._publishers[stage], Float64(data=float(duration_ms)))

    def close(self) -> None:
        """Withdraw the topics."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
