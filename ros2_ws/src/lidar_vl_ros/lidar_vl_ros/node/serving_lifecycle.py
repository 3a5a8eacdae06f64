"""The lifecycle of a node that serves: what it opens and closes in which state, and the worker beside the executor."""

import traceback
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from lidar_vl_ros.health.health import Health
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.node.start import Start
from lidar_vl_ros.node.transitions import answer_wrong_transitions, guarded
from lidar_vl_ros.node.worker import Worker

T = TypeVar("T")

_STOP_TIMEOUT_S = 2.0
_READY_POLL_S = 0.02


class ServingLifecycle(LifecycleNode, ABC, Generic[T]):
    """A subclass opens what it needs, listens, and answers one item at a time, the newest; each ends in one of the counters."""

    def __init__(self, name: str, **node_options: Any) -> None:  # noqa: ANN401
        super().__init__(name, **node_options)
        self.health = Health()
        self.left_behind = False  # whether a thread still works at what nobody waits for
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)  # sim time may stand still
        self.reporter = Reporter(self, self.health)
        self._worker: Worker[T] | None = None
        self._ready_timer = self.create_timer(_READY_POLL_S, self._listen_when_ready, clock=self.steady)
        self._ready_timer.cancel()
        answer_wrong_transitions(self)

    @abstractmethod
    def open(self) -> None:
        """Open all that is needed to serve. Raises LidarVlError to refuse the configuration; what is open is then released."""

    @abstractmethod
    def shut(self) -> None:
        """Release what `open` opened, all or part of it."""

    @abstractmethod
    def warm_up(self) -> None:
        """Prepare the first answer; runs in the worker, so that services answer meanwhile."""

    @abstractmethod
    def listen(self) -> None:
        """Start to hand over items."""

    @abstractmethod
    def stop_listening(self) -> None:
        """Stop handing over items; also called when not listening."""

    @abstractmethod
    def answer(self, arrived: T) -> None:
        """Answer an item, in the worker."""

    @abstractmethod
    def answering_failed(self, error: Exception) -> None:
        """Report what `answer` or `warm_up` raised."""

    def start(self) -> None:
        """Go to the wanted state as soon as the node is spun; the last call in the constructor of a subclass."""
        self._start = Start(self, self.steady)

    def hand_over(self, item: T) -> None:
        """Give an item to the worker, replacing one that waits there."""
        if self._worker is None:
            self.health.count("discarded")
        elif self._worker.put(item):
            self.health.count("replaced")

    @guarded
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open, and let the worker warm up."""
        try:
            self.open()
        except BaseException:
            self.shut()
            raise
        self._worker = Worker(self.get_name(), self.answer, self.answering_failed, prepare=self.warm_up)
        return super().on_configure(state)

    @guarded
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen as soon as the model is warm: a cloud taken before would only be replaced."""
        self._ready_timer.reset()
        return super().on_activate(state)

    @guarded
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening; a waiting cloud is dropped, one in progress is not published."""
        self._stop()
        return super().on_deactivate(state)

    @guarded
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release model, threads and publishers."""
        self.release()
        return super().on_cleanup(state)

    @guarded
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything, from any state."""
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
        """Note a successful transition."""
        self._start.reached(label)

    def refused(self, text: str, cause: Exception) -> None:
        """Report a transition that did not happen."""
        self.health.count("refused", problem=str(cause) or repr(cause))
        self.get_logger().error(text)

    def release(self) -> None:
        """Stop listening and serving, and unload."""
        self._stop()
        if self._worker is not None and not self._worker.stop(_STOP_TIMEOUT_S):
            self.left_behind = True
            work = (
                f"a cloud still in progress after {_STOP_TIMEOUT_S} s"
                if self._worker.ready.is_set()
                else "a model being prepared"
            )
            self.get_logger().warning(f"{work} is abandoned")
        self._worker = None
        self.shut()

    def close(self) -> None:
        """Stop for good, before the node is destroyed."""
        self.release()
        self._start.close()

    def _listen_when_ready(self) -> None:
        if self._worker is not None and self._worker.ready.is_set():
            self._ready_timer.cancel()
            self.listen()

    def _stop(self) -> None:
        self._ready_timer.cancel()
        self.stop_listening()
        if self._worker is not None and self._worker.drop_waiting():
            self.health.count("discarded")
