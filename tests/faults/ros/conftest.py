"""The ROS graph of the node's tests; these here are not among the package's own, which colcon runs, since they take long."""

from ros2_ws.src.lidar_vl_ros.test.conftest import graph, make_cloud, until

__all__ = ("graph", "make_cloud", "until")
