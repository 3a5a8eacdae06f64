"""Which state a node goes to when its process starts, and what is stored to return there after a crash."""

from rclpy.clock import Clock
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from lidar_vl_ros.health.lifecycle_state import state_label
from lidar_vl_ros.node.commanded_state import CommandedState, state_folder
from lidar_vl_ros.node.manager_bond import ManagerBond


class Start:
    """Goes to active unless the parameter `autostart` is false; after a crash always to the last commanded state."""

    def __init__(self, node: LifecycleNode, steady: Clock) -> None:
        self._node = node
        self._commanded = CommandedState(node.get_fully_qualified_name(), state_folder())
        self._bond = ManagerBond(node, lambda: self.reached("active"))
        self._timer = node.create_timer(0.0, self._go, clock=steady)

    def reached(self, label: str) -> None:
        """Store the state after a successful transition; a node bonded to a manager waits for its commands after a crash."""
        if label != "active":
            self._bond.withdraw()
        elif not self._bond.is_offered:
            self._bond.offer()
        self._commanded.remember("unconfigured" if self._bond.is_formed else label)

    def failed(self) -> None:
        """A transition failed and left the node unconfigured; the last commanded state stays stored."""
        self._bond.withdraw()

    def close(self) -> None:
        """The process exits normally: the next one starts as its parameters say."""
        self._bond.withdraw()
        self._commanded.forget()

    def _go(self) -> None:
        self._timer.cancel()
        if self._commanded.problem:
            self._node.get_logger().warning(self._commanded.problem)
        # Any other invalid value of autostart passes here, to be refused by name later.
        wanted = "unconfigured" if self._node.get_parameter("autostart").value is False else "active"
        if (left := self._commanded.left_by_crash) is not None:
            self._node.get_logger().warning(f"restarted after a crash: returning to the last commanded state, {left}")
            wanted = left
        if state_label(self._node) != "unconfigured" or wanted not in ("inactive", "active"):
            return
        if self._node.trigger_configure() == TransitionCallbackReturn.SUCCESS and wanted == "active":
            self._node.trigger_activate()
