"""Arguments of launch files: which are refused, which are told to be none, and what names become in namespaces."""

import pytest
from lidar_vl_ros.launching.parameter_files import LaunchRefused

from ros2_ws.src.lidar_vl_ros.test.launching.written_launch import LAUNCH_FILES, REPOSITORY


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
        ({"prompts": "['tree"}, "expected YAML, found something else in line 1, column 7"),
        ({"prompts": "[&a b, *a]"}, "expected YAML, found an alias in line 1, column 8"),
        ({"prompts": "[2001-99-99]"}, "expected YAML, found characters or numbers that do not exist"),
        ({"cameras": "{front: !!bool x}"}, "found a tag other than !!str"),
        ({"prompts": "[]"}, "ROS treats an empty list as unset"),
        ({"cameras": "/front/image"}, "expected camera names with topics"),
        ({"cameras": "{front: 3}"}, "expected camera names with topics"),
        ({"params_file": "/nowhere.yaml"}, "params_file:=/nowhere.yaml: expected a parameter file"),
        ({"params_file": str(REPOSITORY)}, "expected a parameter file"),
        ({"input": ""}, "input:=: expected names of letters"),
        ({"input": "/lidar points"}, "input:=/lidar points: expected names of letters"),
        ({"output": "/robot/1st"}, "none of which begins with a digit"),
        ({"namespace": "robot-1"}, "namespace:=robot-1: expected names of letters"),
    ],
)
def test_an_argument_that_is_wrong_is_refused_before_anything_starts(launch, tmp_path, given, expected):
    with pytest.raises(LaunchRefused) as caught:
        launch("segmentation", **given)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", LAUNCH_FILES)
def test_an_argument_that_resembles_one_but_is_none_is_told_and_one_of_another_launch_file_is_not(name, launch):
    assert launch(name, rivz="true", robot_name="r2", model="demo").logged() == [
        "rivz:= is no argument of this launch file and changes nothing here: did you mean rviz:=?"
    ]
    assert launch(name).logged() == []


def test_the_arguments_of_a_replay_s_player_are_known_and_taken_for_none_of_the_node(launch):
    assert launch("replay", rate="2.0", loop="true").logged() == []
    assert "did you mean rate:=?" in launch("replay", ratte="2.0").logged()[0]


@pytest.mark.parametrize(
    ("pushed", "given", "full"),
    [
        ("/fleet", "", "/fleet"),
        ("/fleet/", "robot", "/fleet/robot"),
        ("fleet", "robot/", "/fleet/robot"),
        ("/", "robot", "/robot"),
        ("/fleet", "/robot", "/robot"),
    ],
)
def test_a_namespace_is_below_the_one_that_an_including_launch_file_pushed(launch, params_file, pushed, given, full):
    file = params_file(f"{full}/segmentation_node: {{ros__parameters: {{max_points: 7}}}}")
    told = {"ros_namespace": pushed, "namespace": given, "input": "points", "params_file": file}
    assert launch("segmentation", **told).nodes()
    (said,) = launch("replay", **told).nodes()["bag_player"]["parameters"]
    assert said["wait_for"] == [f"{full}/points"]


@pytest.mark.parametrize("name", ["/lidar/points", "lidar/points", "/robot/", "~/points", "_hidden/p2"])
def test_names_that_ros_takes_are_not_refused(name, launch):
    assert launch("segmentation", input=name, output=name).nodes()
