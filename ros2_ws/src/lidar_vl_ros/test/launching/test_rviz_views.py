"""The views for RViz use only names that RViz knows, and those that it needs: it is silent about any other."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lidar_vl_core.commands.viewers.viewer_files import rviz_view

_VIEWS = sorted((Path(__file__).parents[2] / "rviz").glob("*.rviz"))

# From github.com/ros2/rviz, branch jazzy (14.1.5): what each class and its bases give to `Property(`, and what
# rviz_common/visualization_frame.cpp, view_manager.cpp and tool_manager.cpp read.
_QOS = {
    "Depth": int,
    "Durability Policy": {"System Default", "Transient Local", "Volatile"},
    "History Policy": {"System Default", "Keep Last", "Keep All"},
    "Reliability Policy": {"System Default", "Reliable", "Best Effort"},
}
_TOPIC = {"Value": str, **_QOS}
_VECTOR = {"X": float, "Y": float, "Z": float}
_ANY_DISPLAY = {"Class": str, "Name": str, "Enabled": bool}
_KNOWN: dict[str, dict[str, Any]] = {
    "rviz_default_plugins/Grid": _ANY_DISPLAY | {"Cell Size": float, "Plane Cell Count": int, "Color": str},
    "rviz_default_plugins/PointCloud2": _ANY_DISPLAY
    | {
        "Color Transformer": {"RGB8", "RGBF32", "Intensity", "AxisColor", "FlatColor"},
        "Position Transformer": {"XYZ"},
        "Style": {"Points", "Squares", "Flat Squares", "Spheres", "Boxes", "Tiles"},
        "Size (Pixels)": float,
        "Topic": _TOPIC | {"Filter size": int},
    },
    "rviz_default_plugins/Image": _ANY_DISPLAY | {"Topic": _TOPIC},
    "rviz_default_plugins/MarkerArray": _ANY_DISPLAY | {"Topic": _TOPIC},
    "rviz_default_plugins/Orbit": {
        "Class": str,
        "Name": str,
        "Distance": float,
        "Pitch": float,
        "Yaw": float,
        "Focal Point": _VECTOR,
        "Target Frame": str,
    },
    "rviz_default_plugins/MoveCamera": {"Class": str},
    "rviz_default_plugins/Select": {"Class": str},
    "rviz_default_plugins/FocusCamera": {"Class": str},
    "rviz_common/Displays": {"Class": str, "Name": str},
    "rviz_common/Time": {"Class": str, "Name": str},
}
_OPTIONS = {"Background Color": str, "Fixed Frame": str, "Frame Rate": int}
_WINDOW = {"Hide Left Dock": bool, "Hide Right Dock": bool, "Width": int, "Height": int}


def _shipped() -> dict[str, dict[str, Any]]:
    texts = {path.name: path.read_text() for path in _VIEWS}
    assert len(texts) == 3
    texts["of a replay"] = rviz_view("/points/segmentation", "velodyne")
    texts["of a replay with boxes"] = rviz_view("/points/segmentation", "velodyne", "/points/segmentation/boxes")
    return {name: yaml.safe_load(text) for name, text in texts.items()}


def _require_known(found: dict[str, Any], known: dict[str, Any]) -> None:
    for name, value in found.items():
        assert name in known
        expected = known[name]
        if isinstance(expected, dict):
            _require_known(value, expected)
        elif isinstance(expected, set):
            assert value in expected
        else:
            assert isinstance(value, (int, float) if expected is float else expected)


@pytest.mark.parametrize("name", _shipped())
def test_every_name_and_choice_is_one_of_rviz(name: str) -> None:
    view = _shipped()[name]
    assert set(view) == {"Panels", "Visualization Manager", "Window Geometry"}
    manager = view["Visualization Manager"]
    assert set(manager) == {"Class", "Name", "Enabled", "Displays", "Global Options", "Tools", "Views"}
    for part in [*view["Panels"], *manager["Displays"], *manager["Tools"], manager["Views"]["Current"]]:
        _require_known(part, _KNOWN[part["Class"]])
    _require_known(manager["Global Options"], _OPTIONS)
    _require_known(view["Window Geometry"], _WINDOW)


@pytest.mark.parametrize("name", _shipped())
def test_both_docks_are_said_to_be_shown(name: str) -> None:
    # loadWindowGeometry() gives hideLeftDock() a variable that is not initialised where the file says nothing.
    assert _shipped()[name]["Window Geometry"].items() >= {"Hide Left Dock": False, "Hide Right Dock": False}.items()


def test_boxes_of_a_replay_are_shown_where_there_are_any() -> None:
    with_boxes, without = _shipped()["of a replay with boxes"], _shipped()["of a replay"]
    topics = [each["Topic"]["Value"] for each in with_boxes["Visualization Manager"]["Displays"] if "Topic" in each]
    assert topics == ["/points/segmentation", "/points/segmentation/boxes"]
    assert len(without["Visualization Manager"]["Displays"]) == 2
