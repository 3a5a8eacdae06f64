"""RViz as launch files start it."""

from pathlib import Path

import pytest
from ament_index_python.packages import PackageNotFoundError
from lidar_vl_ros.launching.parameter_files import LaunchRefused

from ros2_ws.src.lidar_vl_ros.test.launching.written_launch import LAUNCH_FILES


def test_rviz_that_is_not_there_is_told_before_anything_starts(launch, monkeypatch):
    def none(name):
        raise PackageNotFoundError(name)

    launch("segmentation")  # so that the module is there
    monkeypatch.setattr("lidar_vl_ros.launching.actions.get_package_prefix", none)
    for name in LAUNCH_FILES:
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
    view = launch("detection", rviz="true", ros_namespace="/fleet", namespace="robot").nodes("rviz2")["rviz2"]
    assert ("/detection_node/output/objects/markers", "/fleet/robot/detection_node/output/objects/markers") in view[
        "remappings"
    ]
    view = launch("detection", rviz="true", output="/objects/").nodes("rviz2")["rviz2"]
    assert ("/detection_node/output/objects/markers", "/objects/objects/markers") in view["remappings"]
