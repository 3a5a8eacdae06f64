"""A stand-in for `launch`, which no wheel has: it writes down what launch files ask it for."""

import runpy
from collections.abc import ItemsView
from pathlib import Path
from types import SimpleNamespace

import rclpy
from lidar_vl_ros.parameters import ros_parameters
from lidar_vl_ros.parameters.each_node import DetectionParameters, PerceptionParameters, SegmentationParameters
from rclpy.context import Context
from rclpy.node import Node

PACKAGE = Path(__file__).resolve().parents[2]
REPOSITORY = PACKAGE.parents[2]
LAUNCH_FILES = [path.name.removesuffix(".launch.py") for path in sorted((REPOSITORY / "launch").glob("*.launch.py"))]
TASKS = {"segmentation": SegmentationParameters, "detection": DetectionParameters, "perception": PerceptionParameters}
OF_REPLAY = {"bag": "drive.mcap"}  # the one argument without a default
MODULES_OF_LAUNCH = (
    "launch",
    "launch.actions",
    "launch.event_handlers",
    "launch_ros",
    "launch_ros.actions",
    "launch_ros.parameter_descriptions",
)


class Made:
    """What a launch file asks `launch` for: a kind of thing with its arguments."""

    def __init__(self, kind, *placed, **named):
        self.kind, self.placed, self.named = kind, placed, named
        self.name = placed[0] if placed else named.get("name")


def everything_in(part):
    """All that was made, from the outside in, and what else stands in it."""
    yield part
    inside = ()
    if isinstance(part, Made):
        inside = (*part.placed, *part.named.values())
    elif isinstance(part, dict):
        inside = part.items()
    elif isinstance(part, list | tuple | ItemsView):
        inside = part
    for each in inside:
        yield from everything_in(each)


class Launched:
    """What a launch file declares, and what it starts with some arguments."""

    def __init__(self, name, given):
        description = runpy.run_path(str(REPOSITORY / "launch" / f"{name}.launch.py"))["generate_launch_description"]()
        self.declared = {each.placed[0]: each.named for each in of_kind([description], "DeclareLaunchArgument")}
        self.told = {name: each.get("default_value") for name, each in self.declared.items()} | given
        (decided,) = of_kind([description], "OpaqueFunction")
        self.actions = decided.named["function"](SimpleNamespace(launch_configurations=self.told))

    def nodes(self, package="lidar_vl_ros"):
        return {
            each.named["executable"]: each.named
            for each in of_kind(self.actions, "Node")
            if each.named["package"] == package
        }

    def logged(self):
        return [each.named["msg"] for each in of_kind(self.actions, "LogInfo")]

    def builds(self):
        return [each.named["cmd"] for each in of_kind(self.actions, "ExecuteProcess")]

    def shut_down(self):
        for handler in of_kind(self.actions, "OnShutdown"):
            handler.named["on_shutdown"](None, None)

    def settings(self):
        """What ROS makes of the parameters of the task's node."""
        ((executable, node),) = ((name, node) for name, node in self.nodes().items() if name != "bag_player")
        files = [word for path in node["parameters"] for word in ("--params-file", path)]
        arguments = ["--ros-args", *files, "-r", f"__node:={node['name']}", "-r", f"__ns:=/{node['namespace']}"]
        context = Context()
        rclpy.init(context=context, args=arguments)
        started = Node("any", context=context, start_parameter_services=False)
        kind = TASKS[executable.removesuffix("_node")]
        ros_parameters.declare(started, kind)
        found = ros_parameters.read(started, kind), started.get_parameter("use_sim_time").value
        started.destroy_node()
        rclpy.shutdown(context=context)
        return found


def of_kind(made, kind):
    return [part for part in everything_in(made) if isinstance(part, Made) and part.kind == kind]
