"""Label clouds and find objects in them: ros2 launch lidar_vl_ros perception.launch.py input:=/lidar/points [detection_model:=FOLDER].

One process and one node: each cloud is read, decoded and paired with its images once, for both tasks; use_segmentation:=false
or use_detection:=false leaves one of them out. Parameters of each task are below its name in params_file:=FILE.yaml: see the
example in config/perception.yaml. Launch arguments override that file.
"""

from dataclasses import replace

from lidar_vl_ros.launching.actions import WORDS, TaskLaunch
from lidar_vl_ros.launching.arguments import NodeArgument, flag

from launch import LaunchDescription

ARGUMENTS = (
    NodeArgument("use_segmentation", "Label points; false: the segmentation model is not loaded", flag),
    NodeArgument("use_detection", "Find objects; false: the detection model is not loaded", flag),
    NodeArgument(
        "model",
        "Model package that labels points: a name or a folder",
        parameter="segmentation.model",
        otherwise="demo",
    ),
    NodeArgument(
        "detection_model",
        "Model package that finds boxes: a name or a folder",
        parameter="detection.model",
        otherwise="demo_detector",
    ),
    *(replace(word, parameter=f"segmentation.{word.name}") for word in WORDS),
)


def generate_launch_description() -> LaunchDescription:
    """The node of both tasks and what goes with it."""
    return LaunchDescription(TaskLaunch("perception", ARGUMENTS, ("model", "detection_model")).description())
