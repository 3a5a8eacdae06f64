"""~/debug/calibration: a periodic check of each camera, in a thread of its own, whether edges of clouds and images still match."""

import json
import threading
import time
from collections.abc import Iterator
from functools import partial

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from lidar_vl_core.edge_alignment.alignment import Alignment, Verdict
from lidar_vl_core.edge_alignment.camera_watch import CameraWatch
from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_ros.health.health import OK, WARN, Report
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.node.publishing import offer, publish
from lidar_vl_ros.node.worker import Worker

TOPIC = "~/debug/calibration"
_FRAMES = 30  # that a camera is judged by: an hour ago says nothing about a bracket that has bent since
_STOP_TIMEOUT_S = 1.0


class CalibrationWatch:
    """Checks one cloud and its images every period while the node serves; an output that needs images then."""

    def __init__(self, node: LifecycleNode, reporter: Reporter, period_s: float) -> None:
        self._node, self._reporter, self._period_s = node, reporter, period_s
        self._publisher = offer(node, TOPIC, String)
        self._watch = CameraWatch(_FRAMES)
        self._lock = threading.Lock()
        self._found: dict[str, tuple[int, Alignment]] = {}  # frames, and what they say, by camera
        self._next_s = 0.0  # on time.monotonic()
        self._worker: Worker[SensorFrame] = Worker(type(self).__name__, self._judge, partial(reporter.fault, "faults"))

    def wanted(self) -> bool:
        """Whether the topic has a subscriber."""
        return self._publisher.get_subscription_count() > 0

    def needs_images(self) -> bool:
        """Whether the next cloud is to be checked."""
        return time.monotonic() >= self._next_s

    def publish(self, answer: object) -> None:
        """Do nothing: frames are checked, whatever their answers are."""

    def look_at(self, frame: SensorFrame) -> None:
        """Hand a frame that has images to the thread, if a check is due."""
        if self.needs_images() and frame.views.has_images:
            self._next_s = time.monotonic() + self._period_s
            self._worker.put(frame)

    def reports(self) -> Iterator[tuple[str, Report]]:
        """The verdict on each camera, by the name of its diagnostics."""
        with self._lock:
            found = dict(self._found)
        for name, (frames, alignment) in found.items():
            values = {
                axis: f"{getattr(alignment, axis).best:+.2f}" for axis in ("yaw_deg", "pitch_deg", "right_m", "down_m")
            }
            values |= {"verdict": alignment.verdict.value, "frames": str(frames), "edges": str(alignment.edges)}
            values |= {"score": f"{alignment.score:.2f}", "best_score": f"{alignment.best_score:.2f}"}
            level = WARN if alignment.verdict is Verdict.OFF else OK
            yield f"calibration {name}", Report(level, str(alignment), values)

    def close(self) -> None:
        """Stop the thread and destroy the publisher."""
        self._worker.stop(_STOP_TIMEOUT_S)
        self._node.destroy_lifecycle_publisher(self._publisher)

    def _judge(self, frame: SensorFrame) -> None:
        for view in frame.views():
            try:
                self._watch.add(frame.cloud, view)
            except LidarVlError:  # reported where it was decoded
                continue
            judged = self._watch.frames(view.name), self._watch.alignment(view.name)
            with self._lock:
                self._found[view.name] = judged
            if judged[1].verdict is Verdict.OFF:
                self._reporter.warn(f"calibration {view.name}", f"calibration of camera {view.name}: {judged[1]}")
        with self._lock:
            told = {name: alignment.as_json() | {"frames": frames} for name, (frames, alignment) in self._found.items()}
        content = {"stamp_ns": frame.cloud.stamp_ns, "cameras": told}
        publish(self._node, self._publisher, String(data=json.dumps(content)))
