"""The bond by which nav2's lifecycle manager notices that a node is gone; only where bondpy is installed."""

import importlib
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode

_TOPIC, _HEARTBEAT_S = "bond", 0.25  # nav2's own


def bond_class() -> Any | None:  # noqa: ANN401
    """bondpy's Bond, or None if the package is not installed."""
    try:
        return importlib.import_module("bondpy.bondpy").Bond
    except ImportError:
        return None


class ManagerBond:
    """Offered while the node is active; only a manager with `bond_timeout` above 0 takes it."""

    def __init__(self, node: LifecycleNode, formed: Callable[[], None]) -> None:
        """formed: called in the executor's thread once a manager holds the bond."""
        self._node, self._tell_formed = node, formed
        self._bond: Any = None
        self.is_formed = False

    @property
    def is_offered(self) -> bool:
        """Whether there is a heartbeat; never without bondpy."""
        return self._bond is not None

    def offer(self) -> None:
        """Start the heartbeat."""
        kind = bond_class()
        if kind is None:
            return
        self._bond = kind(self._node, _TOPIC, self._node.get_name(), on_formed=self._formed)
        self._bond.heartbeat_period = _HEARTBEAT_S
        self._bond.start()

    def withdraw(self) -> None:
        """Stop the heartbeat, and let the manager know."""
        bond, self._bond, self.is_formed = self._bond, None, False
        if bond is None:
            return
        bond.shutdown()
        # bondpy destroys both, but leaves them in the node's lists, one more after each activation.
        self._node.destroy_subscription(bond.sub)
        self._node.destroy_publisher(bond.pub)

    def _formed(self) -> None:
        self.is_formed = True
        self._tell_formed()
