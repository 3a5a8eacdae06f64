#!/bin/bash
# Sources ROS, then the workspace, and runs the command as process 1, so that it gets the signals. Only /tmp is written to.
set -e
if [ ! -d "$NUMBA_CACHE_DIR" ]; then
  cp -r /opt/lidar-vl/compiled "$NUMBA_CACHE_DIR.new" && mv -T "$NUMBA_CACHE_DIR.new" "$NUMBA_CACHE_DIR"
fi
source /opt/ros/jazzy/setup.bash
source /opt/lidar-vl/source/ros2_ws/install/setup.bash
exec "$@"
