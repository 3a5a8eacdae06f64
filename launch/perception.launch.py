"""Label clouds and find objects in them: ros2 launch lidar_vl_ros perception.launch.py input:=/lidar/points [detection_model:=FOLDER].

One process and one node: each cloud is read, decoded and paired with its pictures once, for both tasks; use_segmentation:=false
or use_detection:=false leaves one of them out. Parameters of each task stand below its name in params_file:=FILE.yaml: see the
example in config/perception.yaml. What is given here wins over that file.
"""

from dataclasses import replace

from lidar_vl_ros.launching.actions import WORDS, TaskLaunch
from lidar_vl_ros.launching.arguments import NodeArgument, flag

from launch import LaunchDescription

ARGUMENTS = (
    NodeArgument("use_segmentation", "Label points", flag),
    NodeArgument("use_detection", "Find objects", flag),
    NodeArgument("model", "Model package that labels points", parameter="segmentation.model", otherwise="demo"),
    NodeArgument(
        "detection_model", "Model package that finds boxes", parameter="detection.model", otherwise="demo_detector"
    ),
    *(replace(word, parameter=f"segmentation.{word.name}") for word in WORDS),
)


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(TaskLaunch("perception", ARGUMENTS, ("model", "detection_model")).description())
