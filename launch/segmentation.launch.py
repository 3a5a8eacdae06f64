"""Label a LiDAR's clouds: ros2 launch lidar_vl_ros segmentation.launch.py input:=/lidar/points [model:=FOLDER] [rviz:=true].

Cameras, for overlay and ensemble: cameras:="{front: /camera/front/image_raw}", or in params_file:=FILE.yaml with all
their parameters: see the example in config/segmentation.yaml. Launch arguments override that file.
With a model that understands words: [prompts:="['excavator', 'fallen tree']"] or [vocabulary:=FILE.yaml], [ensemble:=true].
"""

from lidar_vl_ros.launching.actions import WORDS, TaskLaunch
from lidar_vl_ros.launching.arguments import NodeArgument

from launch import LaunchDescription

MODEL = NodeArgument("model", "Model package that labels points: a name or a folder", otherwise="demo")


def generate_launch_description() -> LaunchDescription:
    """The segmentation node and what goes with it."""
    return LaunchDescription(TaskLaunch("segmentation", (MODEL, *WORDS), ("model",)).description())
