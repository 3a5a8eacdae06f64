"""Lifecycle, worker, counters, diagnostics and watchdog of a node that answers every cloud it gets."""

import functools
import time
import traceback
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.errors import BadPointCloud, LidarVlError
from lidar_vl_ros import parameters
from lidar_vl_ros.health import Health
from lidar_vl_ros.messages import stamp_ns
from lidar_vl_ros.quality import NEWEST_ONLY, subscription_events
from lidar_vl_ros.sequence import SequenceGaps
from lidar_vl_ros.worker import Worker

INPUT_TOPIC = "~/input/pointcloud"
_STOP_TIMEOUT_S = 2.0
_REPORT_PERIOD_S = 1.0
_Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def guarded(transition: _Transition) -> _Transition:
    """Log what a transition raises (rclpy swallows it): a user's mistake as one line, anything else with traceback."""

    @functools.wraps(transition)
    def wrapped(node: "PerceptionNode", state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except LidarVlError as error:
            node.get_logger().error(f"{transition.__name__} refused: {error}")
            node.health.count("refused", problem=str(error))
            node.release()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            node.get_logger().error(f"{transition.__name__} failed:\n{traceback.format_exc()}")
            node.health.count("refused", problem=repr(error))
            return TransitionCallbackReturn.ERROR

    return wrapped


class PerceptionNode(LifecycleNode):
    """A child loads its model in `load`, and answers one cloud in `serve`, which runs in the worker's thread."""

    def __init__(self, name: str, settings_type: type[parameters.NodeParameters], **node_options: Any) -> None:  # noqa: ANN401
        super().__init__(name, **node_options)
        self.health = Health()
        self._settings_type = settings_type
        self._worker: Worker[PointCloud2] | None = None
        self._subscription: Any = None
        self._gaps = SequenceGaps()
        self._newest_stamp_ns = 0
        parameters.declare(self, settings_type)
        self.add_on_set_parameters_callback(self._check_parameters)
        self._answer_wrong_transitions()
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # sim time may stand still
        self._report_timer = self.create_timer(_REPORT_PERIOD_S, self._report, clock=steady)
        self._autostart_timer = self.create_timer(0.0, self._autostart, clock=steady)
        backwards = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False)
        self._jump_handle = self.get_clock().create_jump_callback(backwards, post_callback=self._clock_jumped)

    # What a child provides.

    def load(self, settings: Any) -> None:  # noqa: ANN401
        """Open the model and create the outputs. Raises LidarVlError to refuse the configuration."""
        raise NotImplementedError

    def warm_up(self) -> None:
        """Prepare the first answer; runs in the worker, so that services answer meanwhile."""

    def serve(self, message: PointCloud2) -> None:
        """Answer one cloud and count it as served."""
        raise NotImplementedError

    def wanted(self) -> bool:
        """Whether anybody listens to any output."""
        raise NotImplementedError

    def unload(self) -> None:
        """Give back what `load` took, all or part of it."""
        raise NotImplementedError

    def time_jumped_back(self) -> None:
        """Forget what belongs to the time before a jump."""

    # Transitions.

    @guarded
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters, open the model; it warms up in the worker."""
        self.settings = parameters.read(self, self._settings_type)
        self.load(self.settings)
        self._worker = Worker(self.get_name(), self._serve, self._serving_failed, prepare=self.warm_up)
        return super().on_configure(state)

    @guarded
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen."""
        timeout_ns = int(self.settings.input_timeout_s * 1e9)
        self.health.started(time.monotonic_ns(), timeout_ns, self.settings.max_processing_ms)
        self._gaps = SequenceGaps()
        self._subscription = self.create_subscription(
            PointCloud2,
            INPUT_TOPIC,
            self._received,
            NEWEST_ONLY,
            event_callbacks=subscription_events(self.resolve_topic_name(INPUT_TOPIC), self.get_logger().warning),
        )
        self.get_logger().info(f"active, listening to {self._subscription.topic_name}")
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
        try:
            self.release()
        except Exception:
            self.get_logger().error(f"release failed:\n{traceback.format_exc()}")
        return TransitionCallbackReturn.SUCCESS

    def release(self) -> None:
        """Stop listening and serving, and unload."""
        self._stop_listening()
        if self._worker is not None and not self._worker.stop(_STOP_TIMEOUT_S):
            self.get_logger().warning(f"a cloud is still in work after {_STOP_TIMEOUT_S} s, its thread is left behind")
        self._worker = None
        self.unload()

    def close(self) -> None:
        """Stop for good, before the node is destroyed."""
        self.release()
        self._jump_handle.unregister()

    @property
    def state(self) -> str:
        """Label of the lifecycle state: unconfigured, inactive, active, finalized, or a transition."""
        return self._state_machine.current_state[1]

    def publish(self, publisher: Any, message: Any) -> None:  # noqa: ANN401
        """Publish unless the context is shut down meanwhile."""
        try:
            if self.context.ok():
                publisher.publish(message)
        except Exception:
            if self.context.ok():
                raise

    def callback_failed(self, error: Exception) -> None:
        """Count an exception that left a callback, and log it once per kind and five seconds."""
        self._fault("faults", error)

    def _stop_listening(self) -> None:
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None
        if self._worker is not None and self._worker.drop_waiting():
            self.health.count("discarded")

    def _received(self, message: PointCloud2, info: dict[str, int]) -> None:
        self.health.received(time.monotonic_ns())
        self._count_lost(info["publication_sequence_number"])
        self._watch_stamp(stamp_ns(message.header.stamp))
        if not self.wanted():
            self.health.count("unwatched")
        elif self._worker is not None and self._worker.put(message):
            self.health.count("replaced")

    def _serve(self, message: PointCloud2) -> None:
        age_ms = self.age_ms(message)
        if age_ms is not None and 0 < self.settings.max_input_age_ms < age_ms:
            problem = (
                f"cloud is {age_ms:.0f} ms old on this node's clock, dropped. Is use_sim_time set as it should be?"
            )
            self.health.count("stale", problem=problem)
            self._log("stale", problem)
            return
        self.serve(message)

    def age_ms(self, message: PointCloud2) -> float | None:
        """From the stamp to now on the node's clock; None while that clock or the stamp is unset."""
        now_ns, then_ns = self.get_clock().now().nanoseconds, stamp_ns(message.header.stamp)
        return (now_ns - then_ns) / 1e6 if now_ns and then_ns else None

    def _serving_failed(self, error: Exception) -> None:
        if isinstance(error, BadPointCloud):
            self.health.count("bad", problem=str(error))
            self._log("bad", f"cloud dropped: {error}")
        elif self.context.ok():
            self._fault("failed", error)

    def _fault(self, what: str, error: Exception) -> None:
        self.health.count(what, problem=repr(error))
        self._log(type(error).__name__, "".join(traceback.format_exception(error)))

    def _log(self, kind: str, text: str) -> None:
        if self.health.may_log(kind, time.monotonic_ns()):
            self.get_logger().error(text)

    def _count_lost(self, sequence_number: int) -> None:
        lost = self._gaps.add(sequence_number)
        if lost and self._subscription is not None and self.count_publishers(self._subscription.topic_name) == 1:
            problem = f"{lost} clouds lost in the transport. Give the sender the package's Fast DDS profile (README)."
            self.health.count("lost", lost, problem)
            self._log("lost", problem)

    def _watch_stamp(self, stamp: int) -> None:
        if stamp < self._newest_stamp_ns:
            self._clock_jumped(None)
        self._newest_stamp_ns = stamp

    def _clock_jumped(self, jump: TimeJump | None) -> None:
        self.health.count("jumps")
        self._newest_stamp_ns = 0
        self.time_jumped_back()
        what = "stamps" if jump is None else "clock"
        self.get_logger().info(f"{what} jumped back (a bag that loops?): what belongs to the time before is forgotten")

    def _autostart(self) -> None:
        self._autostart_timer.cancel()
        if self.state != "unconfigured" or self.get_parameter("autostart").value is not True:
            return
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        fixed = [change.name for change in changes if change.name in self._settings_type.model_fields]
        if fixed and self.state != "unconfigured":
            reason = f"{', '.join(fixed)}: fixed while {self.state}. Deactivate and clean up the node, set it, configure again."
            return SetParametersResult(successful=False, reason=reason)
        return parameters.check_change(self._settings_type, changes, self.get_fully_qualified_name())

    def _report(self) -> None:
        now_ns = time.monotonic_ns()
        report = self.health.report(now_ns, self.state)
        silent_s = self.health.silent_s(now_ns) if self._subscription is not None else None
        if silent_s is not None and self.health.may_log("silent", now_ns):
            topic = self._subscription.topic_name
            self.get_logger().warning(
                f"no input for {silent_s:.0f} s: topic {topic}, {self.count_publishers(topic)} publishers. "
                "Remap ~/input/pointcloud to the LiDAR's topic, or check the driver."
            )
        status = DiagnosticStatus(
            level=bytes([report.level]),
            name=f"{self.get_name()}: clouds",
            message=report.message,
            hardware_id=self.get_fully_qualified_name(),
            values=[KeyValue(key=key, value=value) for key, value in report.values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self.publish(self._diagnostics, message)

    def _answer_wrong_transitions(self) -> None:
        """Let a transition that the state does not allow be refused; in rclpy its exception would end the process."""
        service = self._service_change_state
        change_state = service.callback

        def answered(request: Any, response: Any) -> Any:  # noqa: ANN401
            try:
                return change_state(request, response)
            except Exception as error:
                self.get_logger().warning(f"transition refused while {self.state}: {error}")
                response.success = False
                return response

        service.callback = answered
