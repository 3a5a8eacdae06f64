"""The state a lifecycle node is in."""

from rclpy.lifecycle import LifecycleNode


def state_label(node: LifecycleNode) -> str:
    """Label of the node's state: unconfigured, inactive, active, finalized, or a transition."""
    return node._state_machine.current_state[1]
