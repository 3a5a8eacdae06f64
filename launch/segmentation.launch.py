"""Label a LiDAR's clouds: ros2 launch lidar_vl_ros segmentation.launch.py input:=/lidar/points [model:=FOLDER] [rviz:=true].

Cameras, for overlay and ensemble: cameras:="{front: /camera/front/image_raw}", or in params_file:=FILE.yaml with all
that may be said of them: see the example in config/segmentation.yaml. What is given here wins over that file.
With a model that understands words: [prompts:="['excavator', 'fallen tree']"] or [vocabulary:=FILE.yaml], [ensemble:=true].
"""

from lidar_vl_ros.launching.actions import WORDS, TaskLaunch
from lidar_vl_ros.launching.arguments import NodeArgument

from launch import LaunchDescription

MODEL = NodeArgument("model", "Model package that labels points, by name or folder", otherwise="demo")


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(TaskLaunch("segmentation", (MODEL, *WORDS), ("model",)).description())
