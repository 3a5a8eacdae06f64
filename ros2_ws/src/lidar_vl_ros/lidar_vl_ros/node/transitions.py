"""Lifecycle transitions that say what went wrong and never end the process."""

import functools
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_ros.health.lifecycle_state import state_label

_Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]

_REACHES = {
    "on_configure": "inactive",
    "on_activate": "active",
    "on_deactivate": "inactive",
    "on_cleanup": "unconfigured",
    "on_shutdown": "finalized",
}


def guarded(transition: _Transition) -> _Transition:
    """Report what a transition raises, which rclpy swallows, by the node's `refused(text, cause)`, and success by `reached(label)`.

    LidarVlError is the user's mistake: one line, FAILURE, the state stays. Anything else: traceback, ERROR, `on_error`.
    """

    @functools.wraps(transition)
    def wrapped(node: Any, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ANN401
        try:
            result = transition(node, state)
            if result == TransitionCallbackReturn.SUCCESS:
                node.reached(_REACHES[transition.__name__])
            return result
        except LidarVlError as error:
            node.refused(f"{transition.__name__} refused: {error}", error)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            node.refused(f"{transition.__name__} failed:\n{traceback.format_exc()}", error)
            return TransitionCallbackReturn.ERROR

    return wrapped


def answer_wrong_transitions(node: LifecycleNode) -> None:
    """Refuse a transition that the state does not allow; in rclpy its exception escapes from the service and ends the spin."""
    service = node._service_change_state
    change_state = service.callback

    def answered(request: Any, response: Any) -> Any:  # noqa: ANN401
        try:
            return change_state(request, response)
        except Exception as error:
            node.get_logger().warning(f"transition refused while {state_label(node)}: {error}")
            response.success = False
            return response

    service.callback = answered
