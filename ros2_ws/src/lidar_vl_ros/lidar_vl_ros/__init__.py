"""ROS 2 nodes over lidar_vl_core: they translate messages and report; the core decides."""

__version__ = "0.2.0"
