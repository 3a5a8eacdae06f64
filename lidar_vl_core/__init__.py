"""lidar-vl core: everything training and robot must agree on; neither ROS nor PyTorch is imported here."""

__version__ = "0.1.0"
