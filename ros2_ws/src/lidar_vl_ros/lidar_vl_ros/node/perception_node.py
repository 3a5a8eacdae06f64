"""A lifecycle node that answers every cloud it gets, with its pictures, in a worker beside the executor; the newest wins."""

import time
import traceback
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_ros.black_box.black_box import BlackBox
from lidar_vl_ros.black_box.raw_topics import topics_to_remember
from lidar_vl_ros.health.diagnostics import Diagnostics
from lidar_vl_ros.health.health import Health, Report
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.cameras import Cameras
from lidar_vl_ros.inputs.cloud_age import CloudAge
from lidar_vl_ros.inputs.cloud_assembly import CloudAssembly, MissingLidar
from lidar_vl_ros.inputs.cloud_input import INPUT_TOPIC, CloudInput
from lidar_vl_ros.inputs.cloud_reading import CloudReading
from lidar_vl_ros.inputs.front_end import FrontEnd
from lidar_vl_ros.inputs.live_transforms import LiveTransforms
from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.node import parameters
from lidar_vl_ros.node.calibration_watch import CalibrationWatch
from lidar_vl_ros.node.node_duties import NodeDuties
from lidar_vl_ros.node.output import Outputs
from lidar_vl_ros.node.parameter_changes import ParameterChanges
from lidar_vl_ros.node.settings import NodeParameters
from lidar_vl_ros.node.start import Start
from lidar_vl_ros.node.transitions import answer_wrong_transitions, guarded
from lidar_vl_ros.node.worker import Worker

_STOP_TIMEOUT_S = 2.0
_READY_POLL_S = 0.02


class _Arrived(NamedTuple):
    message: PointCloud2
    images: Mapping[str, Paired]


class PerceptionNode(NodeDuties, LifecycleNode):
    """A child does its duties; each cloud is read and paired for it, waits in one slot, and ends in one of the counters."""

    def __init__(self, name: str, settings_type: type[NodeParameters], **node_options: Any) -> None:  # noqa: ANN401
        super().__init__(name, **node_options)
        self.health = Health()
        self.settings: Any = None  # an instance of settings_type while configured
        self._settings_type = settings_type
        self._worker: Worker[_Arrived] | None = None
        self._front_end: FrontEnd | None = None
        self.transforms: LiveTransforms | None = None  # while configured
        self.black_box: BlackBox | None = None  # while configured, where it is asked for
        self._assembly: CloudAssembly | None = None
        self._calibration: CalibrationWatch | None = None
        self.outputs = Outputs()
        self.left_behind = False  # whether a thread still works at what nobody waits for
        parameters.declare(self, settings_type)
        ParameterChanges(self, settings_type, self.prepare, self._take_over, self.callback_failed)
        answer_wrong_transitions(self)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)  # sim time may stand still
        self.reporter = Reporter(self, self.health)
        self.diagnostics = Diagnostics(
            self, self.health, self.reporter, lambda: self._input.topic, self._other_reports, self.steady
        )
        self._age = CloudAge(self, self.reporter)
        self._input = CloudInput(self, self.health, self.reporter, self._received, self._clock_jumped_back)
        self._start = Start(self, self.steady)
        self._ready_timer = self.create_timer(_READY_POLL_S, self._listen_when_ready, clock=self.steady)
        self._ready_timer.cancel()

    # Transitions.

    @guarded
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters and open the model; it warms up in the worker."""
        try:
            self.settings = parameters.read(self, self._settings_type)
            self.transforms = LiveTransforms(self, self.settings.static_transforms)
            self._front_end = self._open_front_end(self.settings, self.transforms)
            self.load(self.settings)
            self._assembly = self._open_assembly(self.settings, self.transforms)
            if self.settings.cameras and self.settings.calibration_check_s:
                self._calibration = CalibrationWatch(self, self.reporter, self.settings.calibration_check_s)
                self.outputs.open([self._calibration])
            self.black_box = self._open_black_box(self.settings)
        except BaseException:
            self._unload()
            raise
        self._worker = Worker(self.get_name(), self._serve, self._serving_failed, prepare=self.warm_up)
        return super().on_configure(state)

    @guarded
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen as soon as the model is warm: a cloud taken before would only be replaced."""
        self._ready_timer.reset()
        return super().on_activate(state)

    @guarded
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening; a cloud that waits is dropped, one in work is not published."""
        self._stop_listening()
        return super().on_deactivate(state)

    @guarded
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back model, threads and publishers."""
        self.release()
        return super().on_cleanup(state)

    @guarded
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back everything, from any state."""
        self.release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured, from where configure can be tried again; rclpy's default would finalise the node."""
        self._start.failed()
        try:
            self.release()
        except Exception as error:
            self.refused(f"release failed:\n{traceback.format_exc()}", error)
        return TransitionCallbackReturn.SUCCESS

    def reached(self, label: str) -> None:
        """A transition went well."""
        self._start.reached(label)

    def refused(self, text: str, cause: Exception) -> None:
        """Report a transition that did not happen."""
        self.health.count("refused", problem=str(cause) or repr(cause))
        self.get_logger().error(text)

    def release(self) -> None:
        """Stop listening and serving, and unload."""
        self._stop_listening()
        if self._worker is not None and not self._worker.stop(_STOP_TIMEOUT_S):
            self.left_behind = True
            work = (
                f"a cloud in work for {_STOP_TIMEOUT_S} s" if self._worker.ready.is_set() else "a model being prepared"
            )
            self.get_logger().warning(f"{work} is left behind")
        self._worker = None
        self._unload()

    def close(self) -> None:
        """Stop for good, before the node is destroyed."""
        self.release()
        self._input.close()
        self._start.close()

    def _open_front_end(self, settings: NodeParameters, transforms: LiveTransforms) -> FrontEnd:
        cameras = Cameras(self, settings.cameras, transforms, self.reporter)
        waits_s, needed = (settings.camera_max_wait_s, settings.tf_max_wait_s), self._images_needed
        return FrontEnd(self, cameras, *waits_s, self.reporter, self.steady, needed, self._hand_over, self.picture_came)

    def _images_needed(self) -> bool:
        """Whether the next cloud is to wait for its images; without need they are paired, and neither placed nor decoded."""
        return self.images_needed() or self.outputs.needs_images()

    def _open_assembly(self, settings: NodeParameters, transforms: LiveTransforms) -> CloudAssembly:
        fields, colours, times = self.extra_fields(), self.reads_colours(), settings.compensate_motion

        def open_reading(full_scale: float | None) -> CloudReading:
            return CloudReading(self, self.reporter, full_scale, settings.max_points, fields, colours, times)

        full_scale = settings.intensity_max or None
        return CloudAssembly(self, self.reporter, transforms, settings, open_reading, full_scale)

    def _open_black_box(self, settings: NodeParameters) -> BlackBox | None:
        if not settings.black_box.folder:
            return None
        return BlackBox(self, self.reporter, settings.black_box, settings.static_transforms)

    def _unload(self) -> None:
        for opened in (self._front_end, self.black_box):
            if opened is not None:
                opened.close()
        self._front_end = self._assembly = self._calibration = self.transforms = self.black_box = None
        self.outputs.close()
        self.unload()

    # Input.

    def age_ms(self, header: Header) -> float | None:
        """From a cloud's stamp to now on the node's clock; None where the clocks do not tell."""
        return self._age.known_ms(header)

    def callback_failed(self, error: Exception) -> None:
        """Report an exception that left a callback."""
        self.reporter.fault("faults", error)

    def _take_over(self, settings: Any, prepared: Any) -> None:  # noqa: ANN401
        self.settings = settings
        self.apply(prepared)

    def _listen_when_ready(self) -> None:
        if (
            self._worker is None
            or self._front_end is None
            or self.transforms is None
            or self._assembly is None
            or not self._worker.ready.is_set()
        ):
            return
        self._ready_timer.cancel()
        self.health.started(time.monotonic_ns(), self.settings.limits)
        self._input.listen()
        self._front_end.start()
        self._assembly.start()
        odometry_topic = self.motion_told_by()
        if self.settings.cameras or odometry_topic is not None:
            self.transforms.listen(odometry_topic or "")
        if self.black_box is not None:
            clouds = [INPUT_TOPIC, *(lidar.topic for lidar in self.settings.lidars.values())]
            self.black_box.listen(topics_to_remember(clouds, self.settings.cameras, odometry_topic or ""))
        self.get_logger().info(f"serves {self._input.topic}, {self._front_end.told}")

    def _stop_listening(self) -> None:
        self._ready_timer.cancel()
        self._input.stop()
        if self._front_end is not None and (forgotten := self._front_end.stop()):
            self.health.count("discarded", forgotten)
        if self._assembly is not None:
            self._assembly.stop()
        if self.transforms is not None:
            self.transforms.stop()
        if self.black_box is not None:
            self.black_box.stop()
        if self._worker is not None and self._worker.drop_waiting():
            self.health.count("discarded")

    def _received(self, message: PointCloud2, sender: int) -> None:
        if not self.outputs.wanted() or self._front_end is None:
            self.health.count("unwatched")
        else:
            self._front_end.add_cloud(message, sender)

    def _hand_over(self, message: PointCloud2, images: Mapping[str, Paired]) -> None:
        """Give a cloud to the worker, in place of one that waits there."""
        if self._worker is None:
            self.health.count("discarded")
        elif self._worker.put(_Arrived(message, images)):
            self.health.count("replaced")

    def _clock_jumped_back(self) -> None:
        if self._front_end is not None:
            self._front_end.restart()

    def _other_reports(self, now_ns: int) -> Iterable[tuple[str, Report]]:
        front_end, assembly = self._front_end, self._assembly
        if front_end is None or assembly is None:
            return ()
        of_calibration = () if self._calibration is None else self._calibration.reports()
        of_box = () if self.black_box is None else (("black box", self.black_box.report()),)
        return (*front_end.reports(now_ns), *assembly.reports(), *of_calibration, *self.reports(now_ns), *of_box)

    def _serve(self, arrived: _Arrived) -> None:
        front_end, assembly = self._front_end, self._assembly
        if front_end is None or assembly is None:
            self.health.count("discarded")
        elif not self._age.refuses(arrived.message.header, self.settings.max_input_age_ms):
            cloud = assembly.cloud_of(arrived.message)
            views = front_end.views(arrived.images, cloud)
            frame = SensorFrame(arrived.message.header, cloud, assembly.looked_at(cloud), views)
            if (calibration := self._calibration) is not None:
                calibration.look_at(frame)
            self.serve(frame)

    def _serving_failed(self, error: Exception) -> None:
        if isinstance(error, BadPointCloud):
            self.reporter.problem("unpaired" if isinstance(error, MissingLidar) else "bad", f"cloud dropped: {error}")
        elif self.context.ok():
            self.reporter.fault("failed", error)
