"""Label clouds and find objects in them: ros2 launch lidar_vl_ros perception.launch.py input:=/lidar/points [detection_model:=FOLDER].

One process and one node: each cloud is read, decoded and paired with its pictures once, for both tasks. Parameters of each
task stand below its name in params_file:=FILE.yaml: see the example in config/perception.yaml.
"""

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from lidar_vl_ros.process import launching

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    models = {"segmentation.model": launching.text_of("model"), "detection.model": launching.text_of("detection_model")}
    words = launching.words_on_command_line("segmentation.")
    perception = Node(
        package="lidar_vl_ros",
        executable="perception_node",
        name="perception_node",
        output="screen",
        respawn=True,
        respawn_delay=2.0,
        condition=launching.not_only_building(),
        parameters=[LaunchConfiguration("params_file"), {**models, **launching.sim_time()}],
        remappings=[("~/input/pointcloud", LaunchConfiguration("input"))],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level"), *words],
    )
    return LaunchDescription(
        [
            *launching.common_arguments("perception"),
            DeclareLaunchArgument("model", default_value="demo", description="Model package that labels points"),
            DeclareLaunchArgument(
                "detection_model", default_value="demo_detector", description="Model package that finds boxes"
            ),
            *launching.word_arguments(),
            *launching.environment(),
            perception,
            launching.engine_build("model"),
            launching.engine_build("detection_model"),
            launching.rviz("perception"),
        ]
    )
