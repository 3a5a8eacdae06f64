"""Find objects in a LiDAR's clouds: ros2 launch lidar_vl_ros detection.launch.py input:=/lidar/points [model:=FOLDER] [rviz:=true].

Limits of classes, cameras and joined sweeps stand in params_file:=FILE.yaml: see the example in config/detection.yaml.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from lidar_vl_ros.process.transport import large_message_environment

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    share = Path(get_package_share_directory("lidar_vl_ros"))
    arguments = [
        DeclareLaunchArgument("input", default_value="/lidar/points", description="Topic of the LiDAR driver"),
        DeclareLaunchArgument("model", default_value="demo_detector", description="Model package that finds boxes"),
        DeclareLaunchArgument(
            "params_file",
            default_value=str(share / "config" / "detection.yaml"),
            description="Node parameters, limits of classes and cameras among them",
        ),
        DeclareLaunchArgument("use_sim_time", default_value="false", description="Follow /clock, for played bags"),
        DeclareLaunchArgument("rviz", default_value="false", description="Show cloud and boxes"),
        DeclareLaunchArgument("fixed_frame", default_value="lidar", description="Frame of the LiDAR, for RViz"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn or error"),
    ]
    # For every process started here; the LiDAR driver needs the first two as well, it is the sender.
    environment = [SetEnvironmentVariable(name, value) for name, value in large_message_environment().items()]
    use_sim_time = ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    detection = Node(
        package="lidar_vl_ros",
        executable="detection_node",
        name="detection_node",
        output="screen",
        respawn=True,
        respawn_delay=2.0,
        parameters=[
            LaunchConfiguration("params_file"),
            {"model": ParameterValue(LaunchConfiguration("model"), value_type=str), "use_sim_time": use_sim_time},
        ],
        remappings=[("~/input/pointcloud", LaunchConfiguration("input"))],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(share / "rviz" / "detection.rviz"), "-f", LaunchConfiguration("fixed_frame")],
        parameters=[{"use_sim_time": use_sim_time}],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return LaunchDescription([*arguments, *environment, detection, rviz])
