"""Label clouds and find objects in them: ros2 launch lidar_vl_ros perception.launch.py input:=/lidar/points [detection_model:=FOLDER].

One process and one node: each cloud is read, decoded and paired with its pictures once, for both tasks. Parameters of each
task stand below its name in params_file:=FILE.yaml: see the example in config/perception.yaml.
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
        DeclareLaunchArgument("model", default_value="demo", description="Model package that labels points"),
        DeclareLaunchArgument(
            "detection_model", default_value="demo_detector", description="Model package that finds boxes"
        ),
        DeclareLaunchArgument(
            "prompts", default_value="[]", description="What to look for: \"['excavator', 'fallen tree']\""
        ),
        DeclareLaunchArgument(
            "vocabulary", default_value="", description="Or classes with synonyms: a name or a YAML file"
        ),
        DeclareLaunchArgument("ensemble", default_value="false", description="Name points by camera pictures, too"),
        DeclareLaunchArgument(
            "params_file",
            default_value=str(share / "config" / "perception.yaml"),
            description="Node parameters, those of each task below its name",
        ),
        DeclareLaunchArgument("use_sim_time", default_value="false", description="Follow /clock, for played bags"),
        DeclareLaunchArgument("rviz", default_value="false", description="Show the labelled cloud and boxes"),
        DeclareLaunchArgument("fixed_frame", default_value="lidar", description="Frame of the LiDAR, for RViz"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn or error"),
    ]
    # For every process started here; the LiDAR driver needs the first two as well, it is the sender.
    environment = [SetEnvironmentVariable(name, value) for name, value in large_message_environment().items()]
    use_sim_time = ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    perception = Node(
        package="lidar_vl_ros",
        executable="perception_node",
        name="perception_node",
        output="screen",
        respawn=True,
        respawn_delay=2.0,
        parameters=[
            LaunchConfiguration("params_file"),
            {
                "segmentation.model": ParameterValue(LaunchConfiguration("model"), value_type=str),
                "detection.model": ParameterValue(LaunchConfiguration("detection_model"), value_type=str),
                "use_sim_time": use_sim_time,
            },
        ],
        remappings=[("~/input/pointcloud", LaunchConfiguration("input"))],
        # Words as text for the parser of parameter files, which knows empty lists; what params_file says of them wins.
        arguments=[
            "--ros-args",
            "--log-level",
            LaunchConfiguration("log_level"),
            "-p",
            ["segmentation.prompts:=", LaunchConfiguration("prompts")],
            "-p",
            ["segmentation.vocabulary:='", LaunchConfiguration("vocabulary"), "'"],
            "-p",
            ["segmentation.ensemble:=", LaunchConfiguration("ensemble")],
        ],
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(share / "rviz" / "perception.rviz"), "-f", LaunchConfiguration("fixed_frame")],
        parameters=[{"use_sim_time": use_sim_time}],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return LaunchDescription([*arguments, *environment, perception, rviz])
