"""Launch files: what they start, what wins over what, and what is refused before anything starts. `launch` itself is not on PyPI."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from lidar_vl_ros.bags.player import PlayerParameters
from lidar_vl_ros.launching.parameter_files import LaunchRefused
from lidar_vl_ros.launching.topics import OUTPUTS
from lidar_vl_ros.parameters import fields
from lidar_vl_ros.process.child_nodes import MODULES

from lidar_vl_core.commands.cli import command_parser
from ros2_ws.src.lidar_vl_ros.test.launching.written_launch import (
    LAUNCH_FILES,
    OF_REPLAY,
    TASKS,
    Made,
    everything_in,
)


@pytest.mark.parametrize("name", LAUNCH_FILES)
def test_every_argument_is_described_and_only_the_bag_must_be_given(name, launch):
    declared = launch(name).declared
    assert all(argument["description"] for argument in declared.values())
    assert [argument for argument, said in declared.items() if "default_value" not in said] == [*OF_REPLAY][
        : name == "replay"
    ]
    wanted = {"namespace", "input", "output", "cameras", "params_file", "autostart", "respawn", "rviz", "build_only"}
    assert wanted | ({"use_segmentation", "use_detection"} if name == "perception" else set()) <= declared.keys()


@pytest.mark.parametrize("name", LAUNCH_FILES)
def test_a_launch_file_starts_executables_of_the_package_without_rviz_and_with_files_that_are_there(name, launch):
    launched = launch(name)
    assert launched.nodes().keys() <= MODULES.keys()
    assert launched.nodes("rviz2") == {}
    assert Path(launched.told["params_file"]).is_file()


@pytest.mark.parametrize("name", LAUNCH_FILES)
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected node names with parameters"),
        ("[1, 2]", "expected node names with parameters"),
        ("/**: {ros__parameters: {model: demo", "expected YAML, found something else in line 1, column 36"),
        ("/**:\n\tros__parameters: {}", "expected YAML, found something else in line 2, column 1"),
        ("\x00", "expected YAML, found characters"),
        ("/**: {ros__parameters: {a: &a [x, x], b: &b [*a, *a], c: [*b, *b]}}", "expected YAML, found an alias in line 1"),
        ("/**: {ros__parameters: {a: !!timestamp x}}", "expected YAML, found a tag other than !!str"),
        ("/**: {ros__parameters: {a: !!python/name:os.system x}}", "expected YAML, found a tag other than !!str"),
        ("/**: " + "[" * 5000, "expected YAML, found more than 50 lists within lists"),
        ("a: " + "x" * 1_000_000, "expected at most 1000000 characters"),
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


@pytest.mark.parametrize("name", TASKS)
def test_the_output_is_a_prefix_of_all_topics_of_answers(name, launch):
    node = launch(name, output="/perceived", input="/velodyne").nodes()[f"{name}_node"]
    expected = [(f"~/output/{topic}", f"/perceived/{topic}") for topic in OUTPUTS[name]]
    assert node["remappings"] == [("~/input/pointcloud", "/velodyne"), *expected]
    assert launch(name).nodes()[f"{name}_node"]["remappings"] == [("~/input/pointcloud", "/lidar/points")]


@pytest.mark.parametrize("name", LAUNCH_FILES)
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
    assert [made.kind for made in everything_in(player["on_exit"]) if isinstance(made, Made)] == [
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
