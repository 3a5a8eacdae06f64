"""Launch files, parameter files, profiles and views name only what exists. `launch` itself is not on PyPI."""

import importlib
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import pytest
import rclpy
import yaml
from lidar_vl_ros.bags.player import PlayerParameters
from lidar_vl_ros.bags.recorder import RecorderParameters
from lidar_vl_ros.inputs.cloud_input import INPUT_TOPIC
from lidar_vl_ros.launching.topics import OUTPUTS
from lidar_vl_ros.parameters import fields, ros_parameters
from lidar_vl_ros.parameters.each_node import DetectionParameters, PerceptionParameters, SegmentationParameters
from lidar_vl_ros.process.child_nodes import MODULES
from lidar_vl_ros.process.transport import large_message_environment, profile_path
from rclpy.context import Context
from rclpy.node import Node

from lidar_vl_core.commands.viewers.viewer_files import foxglove_layout

_PACKAGE = Path(__file__).resolve().parents[2]
_REPOSITORY = _PACKAGE.parents[2]
_PARAMETERS = {
    "segmentation_node": SegmentationParameters,
    "detection_node": DetectionParameters,
    "perception_node": PerceptionParameters,
    "bag_player": PlayerParameters,
}
_OF_FILE = {name.removesuffix("_node"): settings for name, settings in _PARAMETERS.items()}  # launch, config, rviz
_DRIVER = "/lidar/points"  # the launch files' own default of `input`


def _executables() -> dict[str, str]:
    """Module of each executable of setup.py."""
    found = re.findall(r'"(\w+) = (lidar_vl_ros[\w.]+):main"', (_PACKAGE / "setup.py").read_text())
    assert found
    return dict(found)


@pytest.mark.parametrize("module", _executables().values())
def test_every_executable_has_a_main(module):
    assert callable(importlib.import_module(module).main)


def test_a_node_started_without_a_build_is_the_one_that_is_installed():
    assert _executables() == MODULES


def _output_topics() -> set[str]:
    """Every topic that a module of `outputs` names."""
    sources = (_PACKAGE / "lidar_vl_ros" / "outputs").glob("*.py")
    topics = {topic for source in sources for topic in re.findall(r'[=:] "(~/output/[\w/]+)"', source.read_text())}
    assert topics
    return topics


def _read(name, settings, context):
    """What a node of this name is told by the context's arguments."""
    node = Node(name, context=context, start_parameter_services=False)
    ros_parameters.declare(node, settings)
    return ros_parameters.read(node, settings)


@pytest.mark.parametrize("path", sorted((_PACKAGE / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_parameter_files_are_read_by_ros_and_hold_the_defaults(path):
    kind = _OF_FILE[path.stem]
    context = Context()
    rclpy.init(context=context, args=["--ros-args", "--params-file", str(path)])
    assert _read(f"{path.stem}_node", kind, context) == kind()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(("name", "below"), [("detection", ""), ("perception", "  ")])
def test_limits_of_classes_are_read_by_ros_as_the_parameter_files_show_them(tmp_path, name, below):
    shipped = (_PACKAGE / "config" / f"{name}.yaml").read_text()
    example = re.sub(r"^(\s+)# (classes:|  car:|  pedestrian:)", r"\1\2", shipped, flags=re.MULTILINE)
    (tmp_path / "shipped.yaml").write_text(example)
    context = Context()
    rclpy.init(context=context, args=["--ros-args", "--params-file", str(tmp_path / "shipped.yaml")])
    settings = _read(f"{name}_node", _OF_FILE[name], context)
    rclpy.shutdown(context=context)
    rules = (settings.of_detection() if below else settings).rules
    assert (rules.of_class["car"].min_score, rules.of_class["car"].max_range_m) == (0.4, 80.0)
    if not below:
        assert (rules.of_class["pedestrian"].min_score, rules.of_class["pedestrian"].max_range_m) == (0.25, None)


def _cameras_of(path: Path) -> dict:
    """The cameras that a node has whom ROS gives a file of parameters."""
    context = Context()
    rclpy.init(context=context, args=["--ros-args", "--params-file", str(path)])
    node = Node("segmentation_node", context=context, start_parameter_services=False)
    ros_parameters.declare(node, SegmentationParameters)
    cameras = ros_parameters.read(node, SegmentationParameters).cameras
    rclpy.shutdown(context=context)
    return cameras


def test_cameras_are_read_by_ros_as_the_page_and_the_parameter_file_show_them(tmp_path):
    page = (_REPOSITORY / "docs" / "ros.md").read_text()
    (tmp_path / "page.yaml").write_text(re.search(r"```yaml\n(/[^`]*    cameras:.*?)```", page, re.DOTALL)[1])
    cameras = _cameras_of(tmp_path / "page.yaml")
    assert sorted(cameras) == ["front", "rear"]
    assert (cameras["rear"].tolerance_s, cameras["rear"].required) == (0.03, True)
    shipped = (_PACKAGE / "config" / "segmentation.yaml").read_text()
    example = re.sub(r"^    # (cameras:|  front:|  rear:)", r"    \1", shipped, flags=re.MULTILINE)
    (tmp_path / "shipped.yaml").write_text(example)
    cameras = _cameras_of(tmp_path / "shipped.yaml")
    assert (cameras["front"].topic, cameras["rear"].rectified) == ("/camera/front/image/compressed", False)


@pytest.mark.parametrize(
    ("free", "name", "holds"),
    [
        (8 << 30, "fastdds_large_clouds.xml", 4 * 300_000 * 48),  # four of Ouster's largest clouds
        (60 << 20, "fastdds_little_shared_memory.xml", 2 * 168_000 * 24),
    ],
)
def test_the_profile_fits_the_shared_memory_and_holds_several_clouds(monkeypatch, tmp_path, free, name, holds):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=free))
    path = profile_path(tmp_path)
    assert path.name == name
    tag = "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}"
    root = ElementTree.parse(path).getroot()
    assert holds <= int(root.find(f".//{tag}segment_size").text) < free / 3
    assert root.find(f".//{tag}useBuiltinTransports").text == "false"


def test_the_environment_names_the_profile_for_both_generations_of_fast_dds():
    environment = large_message_environment()
    assert environment["FASTRTPS_DEFAULT_PROFILES_FILE"] == environment["FASTDDS_DEFAULT_PROFILES_FILE"]
    assert Path(environment["FASTRTPS_DEFAULT_PROFILES_FILE"]).is_file()


def test_a_link_puts_launch_files_where_colcon_looks_for_them():
    assert (_PACKAGE / "launch" / "segmentation.launch.py").is_file()
    assert not (_PACKAGE / "launch").readlink().is_absolute()


def test_package_and_setup_agree():
    package, setup = ElementTree.parse(_PACKAGE / "package.xml").getroot(), (_PACKAGE / "setup.py").read_text()
    assert f'version="{package.find("version").text}"' in setup
    assert package.find("export/build_type").text == "ament_python"
    imported = {
        name
        for source in (_PACKAGE / "lidar_vl_ros").rglob("*.py")
        for name in re.findall(
            r"^\s*(?:from|import) (\w+(?:_msgs|_interfaces)|rclpy)", source.read_text(), re.MULTILINE
        )
    }
    assert imported <= {depend.text for depend in package.findall("exec_depend")}


@pytest.mark.parametrize("path", sorted((_PACKAGE / "rviz").glob("*.rviz")), ids=lambda path: path.name)
def test_the_rviz_view_shows_topics_of_the_node(path):
    topics = {line.split()[-1] for line in path.read_text().splitlines() if "Value: /" in line} - {_DRIVER}
    assert topics
    assert {topic.replace(f"/{path.stem}_node", "~") for topic in topics} <= _output_topics()
    assert yaml.safe_load(path.read_text())["Visualization Manager"]["Global Options"]["Fixed Frame"] == "lidar"


@pytest.mark.parametrize("name", ["segmentation", "detection", "perception"])
def test_the_foxglove_layout_is_the_one_of_a_replay_with_the_topics_of_the_node(name):
    layout = json.loads((_PACKAGE / "foxglove" / f"{name}.json").read_text())
    coloured, info, markers, info_of_boxes = (
        f"/{name}_node/output/{topic}"
        for topic in ("pointcloud/visualization", "label_info", "objects/markers", "objects/label_info")
    )
    assert {each.replace(f"/{name}_node", "~") for each in (coloured, info, markers, info_of_boxes)} <= _output_topics()
    expected = {
        "segmentation": foxglove_layout(coloured, info, ""),
        "detection": foxglove_layout(_DRIVER, info_of_boxes, "", marker_topic=markers, labelled=False),
        "perception": foxglove_layout(coloured, info, "", marker_topic=markers),
    }
    assert layout == expected[name]


def test_the_page_of_the_nodes_lists_every_parameter_and_names_only_topics_that_exist():
    page = (_REPOSITORY / "docs" / "ros.md").read_text()
    for settings in (*_PARAMETERS.values(), RecorderParameters):
        named = [f"{name}.NAME." for name in fields.maps_of_names(settings)]
        names = {re.sub(r"^(segmentation|detection)\.", "", name) for name in fields.every_field(settings, named)}
        assert {name for name in names if f"`{name}`" not in page} == set()
    named = set(re.findall(r"`(~/output/[\w/]+)`", page))
    assert named
    assert named <= _output_topics()


_BESIDE_ANOTHER = {  # in one module with the topic that they stand beside
    "~/output/vision_label_info",
    "~/output/objects/label_info",
    "~/output/objects/vision_label_info",
}


@pytest.mark.parametrize("topic", sorted(_output_topics() - _BESIDE_ANOTHER))
def test_the_module_of_an_output_says_first_which_topic_it_is(topic):
    sources = (_PACKAGE / "lidar_vl_ros" / "outputs").glob("*.py")
    assert [source for source in sources if source.read_text().startswith(f'"""{topic}: ')]


@pytest.mark.parametrize("page", ["README.md", "docs/ros.md", "ros2_ws/src/lidar_vl_ros/README.md"])
def test_a_page_remaps_the_topic_that_the_node_listens_to(page):
    assert set(re.findall(r"'(~/[\w/]+):=", (_REPOSITORY / page).read_text())) == {INPUT_TOPIC}


def test_the_topics_that_launch_files_give_other_names_are_those_of_the_outputs():
    assert {f"~/output/{topic}" for topic in OUTPUTS["perception"]} == _output_topics()
