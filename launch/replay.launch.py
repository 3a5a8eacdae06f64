"""Play a bag and label its clouds: ros2 launch lidar_vl_ros replay.launch.py bag:=run.mcap input:=/lidar/points [loop:=true] [rviz:=true].

It also takes the arguments of segmentation.launch.py, and ends when the bag has ended.
"""

from typing import Any

from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown, TimerAction
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from lidar_vl_ros.launching.actions import PACKAGE, WORDS, TaskLaunch, environment
from lidar_vl_ros.launching.arguments import NodeArgument, flag
from lidar_vl_ros.launching.parameter_files import LaunchRefused
from lidar_vl_ros.launching.topics import absolute, namespace_of

from launch import LaunchContext, LaunchDescription

MODEL = NodeArgument("model", "Model package that labels points: a name or a folder", otherwise="demo")
SEGMENTATION = TaskLaunch("segmentation", (MODEL, *WORDS), ("model",))
OF_PLAYER = ("bag", "rate", "loop")
LAST_ANSWERS_S = 2.0  # for the last clouds that were sent


def generate_launch_description() -> LaunchDescription:
    """A recording, played into a node."""
    arguments = [
        DeclareLaunchArgument("bag", description="Recording: .mcap, .db3, ROS 1 .bag or a rosbag2 folder"),
        DeclareLaunchArgument("rate", default_value="1.0", description="Playback speed; 1: as recorded"),
        DeclareLaunchArgument(
            "loop", default_value="false", description="true: start again at the end, until interrupted"
        ),
    ]
    return LaunchDescription([*arguments, *SEGMENTATION.declared(), *environment(), OpaqueFunction(function=played)])


def played(context: LaunchContext) -> list[Any]:
    """What is started, once the arguments are known."""
    told = context.launch_configurations
    try:
        rate = float(told["rate"])
    except ValueError as error:
        raise LaunchRefused(f"rate:={told['rate']}: expected a number.") from error
    started = SEGMENTATION.actions(context, sim_time=True, further=OF_PLAYER)
    if flag("build_only", told["build_only"]):
        return started
    player = Node(
        package=PACKAGE,
        executable="bag_player",
        name="bag_player",
        output="screen",
        parameters=[
            {
                "bag": ParameterValue(told["bag"], value_type=str),
                "rate": rate,
                "loop": flag("loop", told["loop"]),
                "wait_for": [absolute(told["input"], namespace_of(told))],
            }
        ],
        on_exit=[TimerAction(period=LAST_ANSWERS_S, actions=[Shutdown(reason="the bag has ended")])],
    )
    return [*started, player]
