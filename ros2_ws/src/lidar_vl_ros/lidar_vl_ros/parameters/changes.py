"""Parameters set on a running lifecycle node: refused with a reason, or applied at once."""

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_ros.health.lifecycle_state import state_label
from lidar_vl_ros.parameters import ros_parameters
from lidar_vl_ros.parameters.fields import belongs_to, fixed_names
from lidar_vl_ros.parameters.node_parameters import NodeParameters


class ParameterChanges:
    """Before configure any valid value is accepted; after it those marked WHILE_CONFIGURED that the node can prepare."""

    def __init__(
        self,
        node: LifecycleNode,
        settings_type: type[NodeParameters],
        prepare: Callable[[Any], Any],
        take_over: Callable[[Any, Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """prepare: settings -> what they need, or LidarVlError. take_over: applies both. failed: gets any other exception."""
        self._node, self._settings_type = node, settings_type
        self._prepare, self._take_over, self._failed = prepare, take_over, failed
        self._prepared: tuple[Any, Any] | None = (
            None  # settings that were checked, and what the node made ready for them
        )
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._apply)

    def _check(self, changes: list[Parameter]) -> SetParametersResult:
        self._prepared = None
        state = state_label(self._node)
        ours = [change.name for change in changes if belongs_to(change.name, self._settings_type)]
        fixed = sorted(fixed_names(self._settings_type, ours))
        if fixed and state != "unconfigured":
            return _refused(
                f"{', '.join(fixed)}: cannot change while {state}. Deactivate and clean up the node, set, and configure it again."
            )
        result = ros_parameters.check_change(self._settings_type, changes, self._node.get_fully_qualified_name())
        if not result.successful or not ours or state not in ("inactive", "active"):
            return result
        try:
            settings = ros_parameters.read_changed(self._node, self._settings_type, changes)
            self._prepared = settings, self._prepare(settings)
        except LidarVlError as error:
            return _refused(str(error))
        except Exception as error:  # one that leaves this callback would leave the caller unanswered
            self._failed(error)
            return _refused(repr(error))
        return result

    def _apply(self, _changes: list[Parameter]) -> None:
        if self._prepared is not None:
            change, self._prepared = self._prepared, None
            self._take_over(*change)


def _refused(reason: str) -> SetParametersResult:
    return SetParametersResult(successful=False, reason=" ".join(reason.split()))
