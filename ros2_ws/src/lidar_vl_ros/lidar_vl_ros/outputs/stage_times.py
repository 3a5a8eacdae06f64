"""~/debug/*_ms: how long each stage of processing a cloud took; also with its stamp, under ~/debug/stamped, if Autoware's message is installed."""

from collections.abc import Iterable, Mapping

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Float64, Header

from lidar_vl_ros.messages.message_class import message_class
from lidar_vl_ros.node.publishing import offer, publish

_LATENCY = "pipeline_latency"
_STAMPED = (  # the newer one first
    "autoware_internal_debug_msgs/msg/Float64Stamped",
    "tier4_debug_msgs/msg/Float64Stamped",
)


class StageTimes:
    """Published after the outputs, which are part of the latency; a subscriber here does not make clouds be processed."""

    def __init__(self, node: LifecycleNode, stages: Iterable[str]) -> None:
        self._node = node
        topics = (*stages, _LATENCY)
        self._publishers = {stage: offer(node, f"~/debug/{stage}_ms", Float64) for stage in topics}
        self._stamped_type = stamped = next(
            (kind for name in _STAMPED if (kind := message_class(name)) is not None), None
        )
        self._stamped = (
            {stage: offer(node, f"~/debug/stamped/{stage}_ms", stamped) for stage in topics} if stamped else {}
        )

    def publish(self, header: Header, timing_ms: Mapping[str, float], latency_ms: float | None) -> None:
        """Publish milliseconds by stage, without unknown stages. header: of the cloud; latency_ms: from its stamp, None if unknown."""
        measured = timing_ms if latency_ms is None else {**timing_ms, _LATENCY: latency_ms}
        for stage, duration_ms in measured.items():
            if stage in self._publishers:
                publish(self._node, self._publishers[stage], Float64(data=float(duration_ms)))
            if stage in self._stamped and self._stamped_type is not None:
                message = self._stamped_type(stamp=header.stamp, data=float(duration_ms))
                publish(self._node, self._stamped[stage], message)

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (*self._publishers.values(), *self._stamped.values()):
            self._node.destroy_lifecycle_publisher(publisher)
