"""Launch files: what they start, what wins over what, and what is refused before anything starts. `launch` itself is not on PyPI."""

import json
import runpy
import subprocess
import sys
from collections.abc import ItemsView
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import rclpy
import yaml
from ament_index_python.packages import PackageNotFoundError
from lidar_vl_ros.bags.player import PlayerParameters
from lidar_vl_ros.launching.parameter_files import LaunchRefused
from lidar_vl_ros.launching.topics import OUTPUTS
from lidar_vl_ros.parameters import fields, ros_parameters
from lidar_vl_ros.parameters.each_node import DetectionParameters, PerceptionParameters, SegmentationParameters
from lidar_vl_ros.process.child_nodes import MODULES
from rclpy.context import Context
from rclpy.node import Node

from lidar_vl_core.commands.cli import command_parser

_PACKAGE = Path(__file__).resolve().parents[2]
_REPOSITORY = _PACKAGE.parents[2]
_LAUNCH_FILES = [path.name.removesuffix(".launch.py") for path in sorted((_REPOSITORY / "launch").glob("*.launch.py"))]
_TASKS = {"segmentation": SegmentationParameters, "detection": DetectionParameters, "perception": PerceptionParameters}
_OF_REPLAY = {"bag": "drive.mcap"}  # the one argument without a default
_MODULES = (
    "launch",
    "launch.actions",
    "launch.event_handlers",
    "launch_ros",
    "launch_ros.actions",
    "launch_ros.parameter_descriptions",
)


class _Made:
    """What a launch file asks `launch` for: a kind of thing with its arguments."""

    def __init__(self, kind, *placed, **named):
        self.kind, self.placed, self.named = kind, placed, named


def _everything_in(part):
    """All that was made, from the outside in, and what else stands in it."""
    yield part
    inside = ()
    if isinstance(part, _Made):
        inside = (*part.placed, *part.named.values())
    elif isinstance(part, dict):
        inside = part.items()
    elif isinstance(part, list | tuple | ItemsView):
        inside = part
    for each in inside:
        yield from _everything_in(each)


class _Launched:
    """What a launch file declares, and what it starts with some arguments."""

    def __init__(self, name, given):
        description = runpy.run_path(str(_REPOSITORY / "launch" / f"{name}.launch.py"))["generate_launch_description"]()
        self.declared = {each.placed[0]: each.named for each in _of_kind([description], "DeclareLaunchArgument")}
        assert given.keys() <= self.declared.keys()
        self.told = {name: each.get("default_value") for name, each in self.declared.items()} | given
        (decided,) = _of_kind([description], "OpaqueFunction")
        self.actions = decided.named["function"](SimpleNamespace(launch_configurations=self.told))

    def nodes(self, package="lidar_vl_ros"):
        return {
            each.named["executable"]: each.named
            for each in _of_kind(self.actions, "Node")
            if each.named["package"] == package
        }

    def builds(self):
        return [each.named["cmd"] for each in _of_kind(self.actions, "ExecuteProcess")]

    def shut_down(self):
        for handler in _of_kind(self.actions, "OnShutdown"):
            handler.named["on_shutdown"](None, None)

    def settings(self):
        """What ROS makes of the parameters of the task's node."""
        ((executable, node),) = ((name, node) for name, node in self.nodes().items() if name != "bag_player")
        files = [word for path in node["parameters"] for word in ("--params-file", path)]
        arguments = ["--ros-args", *files, "-r", f"__node:={node['name']}", "-r", f"__ns:=/{node['namespace']}"]
        context = Context()
        rclpy.init(context=context, args=arguments)
        started = Node("any", context=context, start_parameter_services=False)
        kind = _TASKS[executable.removesuffix("_node")]
        ros_parameters.declare(started, kind)
        found = ros_parameters.read(started, kind), started.get_parameter("use_sim_time").value
        started.destroy_node()
        rclpy.shutdown(context=context)
        return found


def _of_kind(made, kind):
    return [part for part in _everything_in(made) if isinstance(part, _Made) and part.kind == kind]


@pytest.fixture
def launch(monkeypatch, tmp_path):
    """Runs a launch file with a `launch` that writes down what it is asked for; modules keep the one they saw first."""
    for name in _MODULES:
        module = ModuleType(name)
        module.__getattr__ = lambda kind: partial(_Made, kind)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("ament_index_python.packages.get_package_share_directory", lambda name: str(_PACKAGE))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    launched = []

    def run(name, **given):
        launched.append(_Launched(name, (_OF_REPLAY if name == "replay" else {}) | given))
        return launched[-1]

    yield run
    for each in launched:
        each.shut_down()


@pytest.fixture
def params_file(tmp_path):
    def write(text):
        path = tmp_path / "given.yaml"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize("name", _LAUNCH_FILES)
def test_every_argument_is_described_and_only_the_bag_must_be_given(name, launch):
    declared = launch(name).declared
    assert all(argument["description"] for argument in declared.values())
    assert [argument for argument, said in declared.items() if "default_value" not in said] == [*_OF_REPLAY][
        : name == "replay"
    ]
    wanted = {"namespace", "input", "output", "cameras", "params_file", "autostart", "respawn", "rviz", "build_only"}
    assert wanted | ({"use_segmentation", "use_detection"} if name == "perception" else set()) <= declared.keys()


@pytest.mark.parametrize("name", _LAUNCH_FILES)
def test_a_launch_file_starts_executables_of_the_package_without_rviz_and_with_files_that_are_there(name, launch):
    launched = launch(name)
    assert launched.nodes().keys() <= MODULES.keys()
    assert launched.nodes("rviz2") == {}
    assert Path(launched.told["params_file"]).is_file()


@pytest.mark.parametrize("name", _LAUNCH_FILES)
def test_without_arguments_the_node_is_told_its_defaults(name, launch):
    settings, sim_time = launch(name).settings()
    assert settings == type(settings)()
    assert sim_time == (name == "replay")


@pytest.mark.parametrize(
    "sections",
    [
        "/**",
        "segmentation_node",
        "/robot/segmentation_node",
        "robot: {segmentation_node",
        "/*/segmentation_node",
        "both",
    ],
)
def test_what_params_file_says_is_kept_and_what_is_given_wins_wherever_it_stands(launch, params_file, sections):
    said = "ros__parameters: {model: of_the_file, engine: fused, use_sim_time: true, autostart: false, prompts: [tree]}"
    text = {
        "robot: {segmentation_node": f"robot: {{segmentation_node: {{{said}}}}}",
        "both": f"segmentation_node: {{{said}}}\n/robot/segmentation_node: {{{said}}}\n/**: {{{said}}}",
    }.get(sections, f"{sections}: {{{said}}}")
    file = params_file(text)
    namespace = "" if sections == "segmentation_node" else "robot"
    settings, sim_time = launch("segmentation", params_file=file, namespace=namespace).settings()
    assert (settings.model, settings.engine, settings.autostart, settings.prompts) == (
        "of_the_file",
        "fused",
        False,
        ("tree",),
    )
    assert sim_time
    given = {"model": "8", "prompts": "['yes', 'fallen tree']", "use_sim_time": "false", "autostart": "True"}
    settings, sim_time = launch("segmentation", params_file=file, namespace=namespace, **given).settings()
    assert (settings.model, settings.engine, settings.autostart) == ("8", "fused", True)
    assert settings.prompts == ("yes", "fallen tree")
    assert not sim_time


def test_a_played_bag_gives_the_time_unless_params_file_says_otherwise(launch, params_file):
    file = params_file("/**: {ros__parameters: {use_sim_time: false}}")
    assert launch("replay", params_file=file).settings()[1] is False
    assert launch("replay", params_file=file, use_sim_time="true").settings()[1] is True


@pytest.mark.parametrize("name", ["segmentation", "perception"])
def test_arguments_reach_the_parameters_of_their_task(name, launch):
    given = {"prompts": "['a b', \"it's\"]", "vocabulary": "/maps/my words.yaml", "ensemble": "true", "model": "1e5"}
    settings, _ = launch(name, **given).settings()
    told = settings.segmentation if name == "perception" else settings
    assert (told.prompts, told.vocabulary, told.ensemble, told.model) == (
        ("a b", "it's"),
        "/maps/my words.yaml",
        True,
        "1e5",
    )


def test_tasks_can_be_left_out_and_have_models_of_their_own(launch):
    settings, _ = launch("perception", use_segmentation="false", detection_model="/models/a").settings()
    assert (settings.use_segmentation, settings.use_detection, settings.detection.model) == (False, True, "/models/a")


def test_cameras_are_topics_by_name_or_all_their_parameters_and_come_besides_those_of_the_file(launch, params_file):
    file = params_file("/**: {ros__parameters: {cameras: {front: {topic: /old, offset_s: 0.5}, left: {topic: /left}}}}")
    given = "{front: /front/image, rear: {topic: /rear/image, required: true}}"
    cameras = launch("detection", params_file=file, cameras=given).settings()[0].cameras
    assert {name: camera.topic for name, camera in cameras.items()} == {
        "front": "/front/image",
        "left": "/left",
        "rear": "/rear/image",
    }
    assert (cameras["front"].offset_s, cameras["rear"].required) == (0.5, True)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"autostart": "yes"}, "autostart:=yes: expected true or false"),
        ({"respawn": "2"}, "respawn:=2: expected true or false"),
        ({"prompts": "tree"}, "expected a list of texts"),
        ({"prompts": "[1]"}, "expected a list of texts"),
        ({"prompts": "['tree"}, "expected YAML"),
        ({"prompts": "[]"}, "ROS treats an empty list as unset"),
        ({"cameras": "/front/image"}, "expected camera names with topics"),
        ({"cameras": "{front: 3}"}, "expected camera names with topics"),
        ({"params_file": "/nowhere.yaml"}, "params_file:=/nowhere.yaml: expected a parameter file"),
        ({"params_file": str(_REPOSITORY)}, "expected a parameter file"),
    ],
)
def test_an_argument_that_is_wrong_is_refused_before_anything_starts(launch, tmp_path, given, expected):
    with pytest.raises(LaunchRefused) as caught:
        launch("segmentation", **given)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected node names with parameters"),
        ("[1, 2]", "expected node names with parameters"),
        ("/**: {ros__parameters: {model: demo", "expected YAML"),
        ("/**:\n\tros__parameters: {}", "expected YAML"),
        ("\x00", "expected YAML"),
        ("model: demo", "/model: expected ros__parameters"),
        ("/**: {ros__parameters: demo}", "expected ros__parameters: and parameters below it, found 'demo'"),
        ("/**: {ros_parameters: {model: demo}}", "expected ros__parameters"),
        ("segmentation_nod: {ros__parameters: {model: demo}}", "or its name, found /segmentation_nod."),
        ("/robot/segmentation_node: {ros__parameters: {model: demo}}", "expected parameters of /segmentation_node"),
        ("/*/segmentation_node: {ros__parameters: {model: demo}}", "expected parameters of /segmentation_node"),
    ],
)  # fmt: skip
def test_a_params_file_that_tells_the_node_nothing_is_refused_with_what_it_has(launch, params_file, text, expected):
    file = params_file(text)
    with pytest.raises(LaunchRefused) as caught:
        launch("segmentation", params_file=file)
    assert expected in str(caught.value)
    assert "given.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_params_file_that_is_no_text_is_refused(launch, tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(LaunchRefused, match="expected a parameter file"):
        launch("segmentation", params_file=str(tmp_path / "bytes.yaml"))


def test_a_node_that_refuses_what_it_is_told_ends_the_launch_and_one_that_crashes_is_started_again(launch):
    node = launch("segmentation").nodes()["segmentation_node"]
    assert node["respawn"] is True
    assert [made.kind for made in node["on_exit"](SimpleNamespace(returncode=2), None)] == ["Shutdown"]
    assert node["on_exit"](SimpleNamespace(returncode=-11), None) is None
    assert launch("segmentation", respawn="false").nodes()["segmentation_node"]["respawn"] is False


def test_rviz_that_is_not_there_is_told_before_anything_starts(launch, monkeypatch):
    def none(name):
        raise PackageNotFoundError(name)

    launch("segmentation")  # so that the module is there
    monkeypatch.setattr("lidar_vl_ros.launching.actions.get_package_prefix", none)
    for name in _LAUNCH_FILES:
        with pytest.raises(LaunchRefused, match="rviz:=true: expected the package rviz2, found none"):
            launch(name, rviz="true")


def test_rviz_shows_the_topics_of_a_node_in_a_namespace_and_with_other_outputs(launch, monkeypatch):
    launch("detection")
    monkeypatch.setattr("lidar_vl_ros.launching.actions.get_package_prefix", lambda name: "/opt/ros/jazzy")
    view = launch("detection", rviz="true").nodes("rviz2")["rviz2"]
    assert Path(view["arguments"][1]).is_file()
    assert view["remappings"] == []
    view = launch("detection", rviz="true", namespace="robot", input="points", fixed_frame="velodyne").nodes("rviz2")[
        "rviz2"
    ]
    assert ("/lidar/points", "/robot/points") in view["remappings"]
    assert ("/detection_node/output/objects/markers", "/robot/detection_node/output/objects/markers") in view[
        "remappings"
    ]
    assert view["arguments"][-1] == "velodyne"
    view = launch("detection", rviz="true", output="/objects/").nodes("rviz2")["rviz2"]
    assert ("/detection_node/output/objects/markers", "/objects/objects/markers") in view["remappings"]


@pytest.mark.parametrize("name", _TASKS)
def test_the_output_is_a_prefix_of_all_topics_of_answers(name, launch):
    node = launch(name, output="/perceived", input="/velodyne").nodes()[f"{name}_node"]
    expected = [(f"~/output/{topic}", f"/perceived/{topic}") for topic in OUTPUTS[name]]
    assert node["remappings"] == [("~/input/pointcloud", "/velodyne"), *expected]
    assert launch(name).nodes()[f"{name}_node"]["remappings"] == [("~/input/pointcloud", "/lidar/points")]


@pytest.mark.parametrize("name", _LAUNCH_FILES)
def test_a_launch_file_that_only_builds_starts_no_node_and_gives_a_command_that_there_is(name, launch, params_file):
    launched = launch(name, build_only="true", build_clouds="a.mcap", rviz="true")
    assert launched.nodes() == launched.nodes("rviz2") == {}
    expected = {"detection": ["demo_detector"], "perception": ["demo", "demo_detector"]}.get(name, ["demo"])
    for (program, *words), model in zip(launched.builds(), expected, strict=True):
        options = command_parser().parse_args(words)
        assert (program, options.model, options.target, str(options.clouds)) == ("lidar-vl", model, "this", "a.mcap")


def test_what_is_built_is_the_model_that_would_be_used(launch, params_file):
    file = params_file("/**: {ros__parameters: {segmentation: {model: of_the_file}, detection.model: boxes}}")
    built = partial(launch, "perception", build_only="true", params_file=file)
    assert [words[2] for words in built().builds()] == ["of_the_file", "boxes"]
    assert [words[2] for words in built(model="given").builds()] == ["given", "boxes"]
    assert [words[2] for words in built(use_detection="false").builds()] == ["of_the_file"]


def test_a_replay_plays_to_whoever_listens_to_the_input_and_ends_with_the_bag(launch):
    player = launch("replay", input="points", namespace="robot", rate="2", loop="true").nodes()["bag_player"]
    (said,) = player["parameters"]
    assert said.keys() <= fields.every_field(PlayerParameters).keys()
    assert (said["bag"].placed, said["rate"], said["loop"]) == (("drive.mcap",), 2.0, True)
    assert said["wait_for"] == ["/robot/points"]
    assert [made.kind for made in _everything_in(player["on_exit"]) if isinstance(made, _Made)] == [
        "TimerAction",
        "Shutdown",
    ]
    with pytest.raises(LaunchRefused, match="rate:=fast: expected a number"):
        launch("replay", rate="fast")


def test_the_file_of_what_was_given_is_gone_when_the_launch_has_ended(launch, tmp_path):
    launched = launch("segmentation", model="demo")
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text()) == yaml.safe_load(path.read_text())
    launched.shut_down()
    assert list(tmp_path.iterdir()) == []


def test_launch_files_import_nothing_of_the_core_which_the_system_s_python_lacks():
    modules = "lidar_vl_ros.launching.arguments, lidar_vl_ros.launching.topics, lidar_vl_ros.process.transport"
    code = f"import sys, {modules}; sys.exit('lidar_vl_core' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
