#!/bin/bash
# ROS, then the workspace, then the command, as process 1 so that it gets the signals. /tmp is the one place that is written to.
set -e
if [ ! -d "$NUMBA_CACHE_DIR" ]; then
  cp -r /opt/lidar-vl/compiled "$NUMBA_CACHE_DIR.new" && mv -T "$NUMBA_CACHE_DIR.new" "$NUMBA_CACHE_DIR"
fi
source /opt/ros/jazzy/setup.bash
source /opt/lidar-vl/source/ros2_ws/install/setup.bash
exec "$@"
