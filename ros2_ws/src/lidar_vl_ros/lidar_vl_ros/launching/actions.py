"""What launch files start: a node with its arguments, RViz, or the build of a plan. Imports `launch`, which comes with ROS, but not with the ROS wheels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.event_handlers import OnShutdown
from launch_ros.actions import Node

from lidar_vl_ros.launching import topics
from lidar_vl_ros.launching.arguments import NodeArgument, cameras, flag, given_parameters, misspelt, words
from lidar_vl_ros.launching.parameter_files import LaunchRefused, ParameterFile, write_parameters
from lidar_vl_ros.process.transport import large_message_environment

PACKAGE = "lidar_vl_ros"
REFUSED = 2  # exit code of a node that refuses its parameters: a second start would not help
_RESPAWN_DELAY_S = 2.0
_SHARED = (
    NodeArgument("cameras", 'Cameras in addition to those of params_file: "{front: /camera/front/image_raw}"', cameras),
    NodeArgument("use_sim_time", "Follow /clock, as needed for played bags", flag),
    NodeArgument("autostart", "false: a lifecycle manager configures and activates the node", flag),
)
WORDS = (
    NodeArgument(
        "prompts", "What to look for, if the model understands words: \"['excavator', 'fallen tree']\"", words
    ),
    NodeArgument("vocabulary", "Classes with synonyms, instead of prompts: a name or a YAML file"),
    NodeArgument("ensemble", "Label points by camera images as well; needs a model with an image encoder", flag),
)


def share() -> Path:
    """The share folder of the installed package."""
    return Path(get_package_share_directory(PACKAGE))


def environment() -> list[SetEnvironmentVariable]:
    """Variables for every process started after them; the LiDAR driver needs the first two as well, as it is the sender."""
    return [SetEnvironmentVariable(name, value) for name, value in large_message_environment().items()]


@dataclass(frozen=True)
class TaskLaunch:
    """The node of a task (segmentation, detection or perception) as a launch file starts it."""

    task: str
    arguments: tuple[NodeArgument, ...]  # besides those of every task
    models: tuple[str, ...]  # names of the arguments that name model packages

    def declared(self) -> list[DeclareLaunchArgument]:
        """Its launch arguments; an empty one leaves the parameter to params_file."""
        return [
            _declare("namespace", "", "Namespace of the node"),
            _declare("input", "/lidar/points", "Topic of the LiDAR driver"),
            _declare("output", "", f"Prefix of the output topics; empty: ~/output, here /{self._node}/output"),
            _declare(
                "params_file",
                str(share() / "config" / f"{self.task}.yaml"),
                "YAML file of node parameters, including cameras",
            ),
            *(_declare(each.name, "", each.description) for each in (*self.arguments, *_SHARED)),
            _declare("respawn", "true", "Restart the node after a crash"),
            _declare("rviz", "false", "Start RViz with clouds, labels and boxes"),
            _declare("fixed_frame", "lidar", "Fixed frame of RViz: the LiDAR's"),
            _declare("log_level", "info", "Log level: debug, info, warn or error"),
            _declare("build_only", "false", "Build the TensorRT plan for this GPU, then exit"),
            _declare("build_clouds", "", "With build_only: recording or folder of clouds to measure the plan on"),
        ]

    def description(self) -> list[Any]:
        """All that a launch file for this node alone needs."""
        return [*self.declared(), *environment(), OpaqueFunction(function=lambda context: self.actions(context))]

    def actions(
        self,
        context: Any,  # noqa: ANN401  a LaunchContext
        sim_time: bool | None = None,
        further: Sequence[str] = (),
    ) -> list[Any]:
        """What to start, after checking all arguments. sim_time: used if neither argument nor file gives it.

        further: names of arguments of the launch file that are not declared() here. Raises LaunchRefused, which ends the
        launch before anything is started.
        """
        told = context.launch_configurations
        topics.require_names(told)
        file = ParameterFile(told["params_file"])
        in_file = file.of_node(topics.full_name(topics.namespace_of(told), self._node))
        given = given_parameters((*self.arguments, *_SHARED), told)
        if flag("build_only", told["build_only"]):
            return self._builds(in_file | given, told["build_clouds"])
        if sim_time is not None and "use_sim_time" not in in_file:
            given.setdefault("use_sim_time", sim_time)
        warnings = misspelt(told, [*(each.name for each in self.declared()), *further])
        return [
            *(LogInfo(msg=warning) for warning in warnings),
            *self._views(told, given),
            *self._serving(told, file, given),
        ]

    @property
    def _node(self) -> str:
        return f"{self.task}_node"

    def _serving(self, told: Any, file: ParameterFile, given: dict[str, Any]) -> list[Any]:  # noqa: ANN401
        is_respawned = flag("respawn", told["respawn"])
        overriding = write_parameters(file.overridden(given))
        node = Node(
            package=PACKAGE,
            executable=self._node,
            name=self._node,
            namespace=told["namespace"],
            output="screen",
            respawn=is_respawned,
            respawn_delay=_RESPAWN_DELAY_S,
            on_exit=_end_where_refused,
            parameters=[file.path, overriding],
            remappings=topics.of_node(self.task, told["input"], told["output"]),
            arguments=["--ros-args", "--log-level", told["log_level"]],
        )
        return [node, RegisterEventHandler(OnShutdown(on_shutdown=lambda *_: Path(overriding).unlink(missing_ok=True)))]

    def _views(self, told: Any, given: dict[str, Any]) -> list[Node]:  # noqa: ANN401
        """RViz if requested; checked here, as a missing RViz would end the launch after the node has started."""
        if not flag("rviz", told["rviz"]):
            return []
        try:
            get_package_prefix("rviz2")
        except PackageNotFoundError as error:
            raise LaunchRefused(
                "rviz:=true: expected the package rviz2, found none. Install ros-$ROS_DISTRO-rviz2, or leave rviz out."
            ) from error
        view = str(share() / "rviz" / f"{self.task}.rviz")
        return [
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", view, "-f", told["fixed_frame"]],
                parameters=[{"use_sim_time": given.get("use_sim_time", False)}],
                remappings=topics.of_view(self.task, told["input"], told["output"], topics.namespace_of(told)),
            )
        ]

    def _builds(self, parameters: dict[str, Any], clouds: str) -> list[ExecuteProcess]:
        """Build the plans of the model packages that the node would use."""
        models = [argument for argument in self.arguments if argument.name in self.models]
        used = [each for each in models if parameters.get(f"use_{each.sets.partition('.')[0]}", True)]
        return [
            ExecuteProcess(
                cmd=[
                    "lidar-vl",
                    "build-engine",
                    parameters.get(each.sets, each.otherwise),
                    "--target",
                    "this",
                    "--clouds",
                    clouds,
                ],
                output="screen",
            )
            for each in used
        ]


def _declare(name: str, default: str, description: str) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(name, default_value=default, description=description)


def _end_where_refused(event: Any, _context: Any) -> Sequence[Any] | None:  # noqa: ANN401
    """Do not restart a node that refused its parameters: it would refuse them again."""
    if event.returncode != REFUSED:
        return None
    return [Shutdown(reason="the node refused its parameters: see its message above")]
