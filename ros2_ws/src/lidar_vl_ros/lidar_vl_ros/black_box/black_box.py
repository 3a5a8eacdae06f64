"""The black box of a node: holds the last seconds of sensor data, and records them when answers look odd or on request."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import serialize_message
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lidar_vl_core.black_box.message_ring import MessageRing, RawMessage
from lidar_vl_core.black_box.recordings import BlackBoxFolder
from lidar_vl_core.black_box.static_transforms import TF_STATIC, TF_TYPE, static_transforms_cdr
from lidar_vl_core.black_box.triggers import Alarm, PointAnswer, Triggers
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_ros.black_box.parameters import BlackBoxParameters
from lidar_vl_ros.black_box.raw_topics import RawTopic, RawTopics
from lidar_vl_ros.health.health import OK, WARN, Report
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.live_transforms import static_transform

SERVICE = "~/record_black_box"
WHY_TOPIC = "~/black_box/trigger"  # in the recording alone: why it was made
_MOST_LIDARS = 8
_LAST_WORDS_S = 5.0  # for a recording that is being written when the node is cleaned up


class BlackBox:
    """Exists while a node is configured and `black_box.folder` is set.

    `answered` runs in the worker's thread, `_heard` and the service in the executor's; recordings are written in a
    thread of their own, one at a time.
    """

    def __init__(
        self, node: LifecycleNode, reporter: Reporter, settings: BlackBoxParameters, static_transforms: Sequence[str]
    ) -> None:
        """static_transforms: the node's parameter, recorded as /tf_static. Raises BadRequest for a folder that cannot be created."""
        self._node, self._reporter, self._settings = node, reporter, settings
        self._ring = MessageRing(settings.seconds, round(settings.memory_mb * 1e6))
        self._folder = BlackBoxFolder(
            Path(settings.folder), round(settings.disk_mb * 1e6), round(settings.min_free_mb * 1e6)
        )
        self._triggers: dict[str, Triggers] = {}  # by frame: several LiDARs may send on one topic, and see other things
        self._given = [static_transform(text) for text in static_transforms]
        self._topics: RawTopics | None = None
        self._lock = threading.Lock()  # around what follows
        self._writer: threading.Thread | None = None
        self._counts: Counter[str] = Counter()
        self._failed_before = 0
        self._last = ""
        self._next_s = 0.0  # on time.monotonic(): earliest recording that nobody asked for
        self._service = node.create_service(Trigger, SERVICE, self._asked)

    def listen(self, topics: Mapping[str, RawTopic]) -> None:
        """Start to hold the messages of these topics."""
        if self._given:
            self._heard(TF_STATIC, TF_TYPE, static_transforms_cdr(self._given))
        self._topics = RawTopics(self._node, topics, self._heard)

    def stop(self) -> None:
        """Unsubscribe, and discard what is held."""
        if self._topics is not None:
            self._topics.stop()
            self._topics = None
        self._ring.clear()

    def answered(self, cloud: PointCloud, points: PointAnswer | None, boxes: Boxes3d | None) -> None:
        """Check the answer for a cloud, and record if it raises an alarm."""
        if cloud.frame_id not in self._triggers and len(self._triggers) >= _MOST_LIDARS:
            self._triggers.clear()
        triggers = self._triggers.setdefault(cloud.frame_id, Triggers(self._settings.limits))
        alarm = triggers.look(cloud, points, boxes)
        if alarm is None:
            return
        with self._lock:
            is_early = time.monotonic() < self._next_s
        if is_early or not self._record(alarm):
            with self._lock:
                self._counts["suppressed"] += 1

    def report(self) -> Report:
        """For the diagnostics: what is held, and what became of the alarms. Each second, so it looks for latched topics, too."""
        if self._topics is not None:
            self._topics.latched_calibrations.look()
        with self._lock:
            counts, last = self._counts.copy(), self._last
            failed, self._failed_before = counts["failed"] - self._failed_before, counts["failed"]
        held = f"holds {self._ring.seconds:.1f} s, {self._ring.size / 1e6:.0f} MB"
        values = {name: str(counts[name]) for name in ("recorded", "suppressed", "failed", "dropped")}
        values |= {f"recorded {name[3:]}": str(count) for name, count in counts.items() if name.startswith("by ")}
        values |= {"forgotten_early": str(self._ring.forgotten_early), "last": last}
        if failed:
            return Report(WARN, f"{failed} recordings failed: {last}", values)
        return Report(OK, f"{held}; {counts['recorded']} recorded", values)

    def close(self) -> None:
        """Stop, remove the service, and give a recording in progress a few seconds to finish."""
        self.stop()
        self._node.destroy_service(self._service)
        writer = self._writer
        if writer is not None:
            writer.join(_LAST_WORDS_S)
            if writer.is_alive():
                self._reporter.warn("black box", "a recording is still being written; its thread is abandoned")

    def _heard(self, topic: str, type_name: str, cdr: bytes) -> None:
        self._ring.add(RawMessage(topic, type_name, self._node.get_clock().now().nanoseconds, cdr))

    def _asked(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        seconds = self._ring.seconds
        if self._topics is None or not self._ring.size:
            response.success, response.message = (
                False,
                "nothing to record: is the node active, and are its sensors publishing?",
            )
        elif self._record(Alarm("operator", "requested through the service")):
            told = f"recording {seconds:.1f} s to {self._settings.folder}; the log and the diagnostics name the file"
            response.success, response.message = True, told
        else:
            response.success, response.message = False, "another recording is being written; try again when it is done"
        return response

    def _record(self, alarm: Alarm) -> bool:
        """Start to write what is held; false while another recording is being written."""
        with self._lock:
            if self._writer is not None and self._writer.is_alive():
                return False
            self._next_s = time.monotonic() + self._settings.pause_s
            messages, seconds = self._ring.last_seconds(), self._ring.seconds
            name = f"{self._node.get_name()} black box"
            # A daemon, so that a disk that hangs cannot keep the process alive; what it wrote is readable.
            self._writer = threading.Thread(target=self._write, args=(alarm, messages, seconds), name=name, daemon=True)
            self._writer.start()
        return True

    def _write(self, alarm: Alarm, messages: list[RawMessage], seconds: float) -> None:
        if messages:
            why = serialize_message(String(data=f"{alarm.reason}: {alarm.text}"))
            topic = self._node.resolve_topic_name(WHY_TOPIC)
            messages.append(RawMessage(topic, "std_msgs/msg/String", messages[-1].stamp_ns, why))
        try:
            path, dropped = self._folder.write(messages, alarm.reason, time.time())
        except LidarVlError as error:
            self._failed(str(error))
        except Exception as error:  # the thread's end would be silent
            self._failed(repr(error))
            self._reporter.fault("faults", error)
        else:
            with self._lock:
                self._counts.update({"recorded": 1, f"by {alarm.reason}": 1, "dropped": dropped})
                self._last = f"{path}: {alarm.text}"
            self._node.get_logger().info(f"black box: {seconds:.1f} s recorded to {path}: {alarm.text}")

    def _failed(self, text: str) -> None:
        with self._lock:
            self._counts["failed"] += 1
            self._last = text
        self._reporter.warn("black box", f"black box: the recording failed or is incomplete: {text}")
