"""Find objects in a LiDAR's clouds: ros2 launch lidar_vl_ros detection.launch.py input:=/lidar/points [model:=FOLDER] [rviz:=true].

Limits of classes, cameras and joined sweeps are set in params_file:=FILE.yaml: see the example in config/detection.yaml.
Launch arguments override that file.
"""

from lidar_vl_ros.launching.actions import TaskLaunch
from lidar_vl_ros.launching.arguments import NodeArgument

from launch import LaunchDescription

MODEL = NodeArgument("model", "Model package that finds boxes: a name or a folder", otherwise="demo_detector")


def generate_launch_description() -> LaunchDescription:
    """The detection node and what goes with it."""
    return LaunchDescription(TaskLaunch("detection", (MODEL,), ("model",)).description())
