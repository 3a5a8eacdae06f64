#!/bin/bash
# ROS, then the workspace, then the command, as process 1 so that it gets the signals.
set -e
source /opt/ros/jazzy/setup.bash
source /opt/lidar-vl/source/ros2_ws/install/setup.bash
exec "$@"
