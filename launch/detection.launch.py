"""Find objects in a LiDAR's clouds: ros2 launch lidar_vl_ros detection.launch.py input:=/lidar/points [model:=FOLDER] [rviz:=true].

Limits of classes, cameras and joined sweeps stand in params_file:=FILE.yaml: see the example in config/detection.yaml.
"""

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from lidar_vl_ros.process import launching

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    detection = Node(
        package="lidar_vl_ros",
        executable="detection_node",
        name="detection_node",
        output="screen",
        respawn=True,
        respawn_delay=2.0,
        condition=launching.not_only_building(),
        parameters=[LaunchConfiguration("params_file"), {"model": launching.text_of("model"), **launching.sim_time()}],
        remappings=[("~/input/pointcloud", LaunchConfiguration("input"))],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
    )
    return LaunchDescription(
        [
            *launching.common_arguments("detection"),
            DeclareLaunchArgument("model", default_value="demo_detector", description="Model package that finds boxes"),
            *launching.environment(),
            detection,
            launching.engine_build("model"),
            launching.rviz("detection"),
        ]
    )
