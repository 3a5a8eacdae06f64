"""What launch files share: arguments, environment and RViz. Imports `launch`, which comes with ROS and not with its wheels."""

from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, ExecuteProcess, SetEnvironmentVariable
from launch.conditions import IfCondition, UnlessCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from lidar_vl_ros.process.transport import large_message_environment


def share() -> Path:
    """The folder of what the package installs beside its code."""
    return Path(get_package_share_directory("lidar_vl_ros"))


def common_arguments(task: str) -> list[DeclareLaunchArgument]:
    """Those of every task; the node's parameters are by default those of config/TASK.yaml."""
    return [
        DeclareLaunchArgument("input", default_value="/lidar/points", description="Topic of the LiDAR driver"),
        DeclareLaunchArgument(
            "params_file",
            default_value=str(share() / "config" / f"{task}.yaml"),
            description="Node parameters, cameras among them",
        ),
        DeclareLaunchArgument("use_sim_time", default_value="false", description="Follow /clock, for played bags"),
        DeclareLaunchArgument("rviz", default_value="false", description="Show clouds, labels and boxes"),
        DeclareLaunchArgument("fixed_frame", default_value="lidar", description="Frame of the LiDAR, for RViz"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn or error"),
        DeclareLaunchArgument(
            "build_only", default_value="false", description="Build the TensorRT plan for the GPU here, and end"
        ),
        DeclareLaunchArgument(
            "build_clouds", default_value="", description="Recording or folder of clouds that the plan is measured by"
        ),
    ]


def not_only_building() -> UnlessCondition:
    """The condition of a node: it serves unless a plan is to be built alone."""
    return UnlessCondition(LaunchConfiguration("build_only"))


def engine_build(argument: str) -> ExecuteProcess:
    """Builds the plan of the model package that a launch argument names, where that alone is wanted."""
    words = ["--target", "this", "--clouds", LaunchConfiguration("build_clouds")]
    return ExecuteProcess(
        cmd=["lidar-vl", "build-engine", LaunchConfiguration(argument), *words],
        output="screen",
        condition=IfCondition(LaunchConfiguration("build_only")),
    )


def word_arguments() -> list[DeclareLaunchArgument]:
    """What a model that understands words is told."""
    return [
        DeclareLaunchArgument(
            "prompts", default_value="[]", description="What to look for: \"['excavator', 'fallen tree']\""
        ),
        DeclareLaunchArgument(
            "vocabulary", default_value="", description="Or classes with synonyms: a name or a YAML file"
        ),
        DeclareLaunchArgument("ensemble", default_value="false", description="Name points by camera pictures, too"),
    ]


def words_on_command_line(before: str = "") -> list[Any]:
    """The arguments of words behind --ros-args; before: of the parameters' names.

    As text for the parser of parameter files, which knows empty lists; what params_file says of them wins.
    """
    return [
        "-p",
        [f"{before}prompts:=", LaunchConfiguration("prompts")],
        "-p",
        [f"{before}vocabulary:='", LaunchConfiguration("vocabulary"), "'"],
        "-p",
        [f"{before}ensemble:=", LaunchConfiguration("ensemble")],
    ]


def text_of(argument: str) -> ParameterValue:
    """A launch argument as a parameter of text, whatever it looks like."""
    return ParameterValue(LaunchConfiguration(argument), value_type=str)


def sim_time() -> dict[str, ParameterValue]:
    """The parameter use_sim_time."""
    return {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}


def environment() -> list[SetEnvironmentVariable]:
    """For every process that is started after it; the LiDAR driver needs the first two as well, it is the sender."""
    return [SetEnvironmentVariable(name, value) for name, value in large_message_environment().items()]


def rviz(task: str) -> Node:
    """RViz with the view of rviz/TASK.rviz, where it is wanted."""
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(share() / "rviz" / f"{task}.rviz"), "-f", LaunchConfiguration("fixed_frame")],
        parameters=[sim_time()],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
