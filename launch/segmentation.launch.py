"""Label a LiDAR's clouds: ros2 launch lidar_vl_ros segmentation.launch.py input:=/lidar/points [model:=FOLDER] [rviz:=true].

Cameras by name, for overlay and ensemble, stand in params_file:=FILE.yaml: see the example in config/segmentation.yaml.
With a model that understands words: [prompts:="['excavator', 'fallen tree']"] or [vocabulary:=FILE.yaml], [ensemble:=true].
"""

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from lidar_vl_ros.process import launching

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    segmentation = Node(
        package="lidar_vl_ros",
        executable="segmentation_node",
        name="segmentation_node",
        output="screen",
        respawn=True,
        respawn_delay=2.0,
        condition=launching.not_only_building(),
        parameters=[LaunchConfiguration("params_file"), {"model": launching.text_of("model"), **launching.sim_time()}],
        remappings=[("~/input/pointcloud", LaunchConfiguration("input"))],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level"), *launching.words_on_command_line()],
    )
    return LaunchDescription(
        [
            *launching.common_arguments("segmentation"),
            DeclareLaunchArgument("model", default_value="demo", description="Model package, by name or folder"),
            *launching.word_arguments(),
            *launching.environment(),
            segmentation,
            launching.engine_build("model"),
            launching.rviz("segmentation"),
        ]
    )
