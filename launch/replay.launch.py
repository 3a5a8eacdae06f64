"""Play a bag and label its clouds: ros2 launch lidar_vl_ros replay.launch.py bag:=run.mcap input:=/lidar/points [loop:=true]."""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from lidar_vl_ros.process import launching

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument("bag", description="Recording: .mcap, .db3 or a rosbag2 folder"),
        DeclareLaunchArgument("input", default_value="/lidar/points", description="Topic of the clouds in the bag"),
        DeclareLaunchArgument("model", default_value="demo", description="Model package, by name or folder"),
        DeclareLaunchArgument(
            "params_file",
            default_value=str(launching.share() / "config" / "segmentation.yaml"),
            description="Node parameters, cameras among them",
        ),
        DeclareLaunchArgument("rate", default_value="1.0", description="Speed"),
        DeclareLaunchArgument("loop", default_value="false", description="Start again at the end"),
        DeclareLaunchArgument("rviz", default_value="true", description="Show the labelled cloud"),
        DeclareLaunchArgument("fixed_frame", default_value="lidar", description="Frame of the LiDAR, for RViz"),
    ]
    segmentation = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(launching.share() / "launch" / "segmentation.launch.py")),
        launch_arguments={
            "input": LaunchConfiguration("input"),
            "model": LaunchConfiguration("model"),
            "params_file": LaunchConfiguration("params_file"),
            "rviz": LaunchConfiguration("rviz"),
            "fixed_frame": LaunchConfiguration("fixed_frame"),
            "use_sim_time": "true",
        }.items(),
    )
    player = Node(
        package="lidar_vl_ros",
        executable="bag_player",
        name="bag_player",
        output="screen",
        parameters=[
            {
                "bag": launching.text_of("bag"),
                "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
                "loop": ParameterValue(LaunchConfiguration("loop"), value_type=bool),
                "wait_for": [[LaunchConfiguration("input")]],  # a list of one text: launch_ros joins a flat list
            }
        ],
    )
    return LaunchDescription([*arguments, *launching.environment(), segmentation, player])
