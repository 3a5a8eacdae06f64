"""The ROS graph of the node's tests; these here are not among the package's own, which colcon runs, since they take long."""

from tests.ros.conftest import graph, make_cloud, tiny_package, until

__all__ = ("graph", "make_cloud", "tiny_package", "until")
