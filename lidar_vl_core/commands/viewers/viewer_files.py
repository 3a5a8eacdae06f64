"""Layouts in which Foxglove and RViz show labelled clouds in the colours of their classes, and boxes."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from lidar_vl_core.bags.camera_topics import CameraTopics

_Place: TypeAlias = "str | dict[str, Any]"  # a panel, or how two places share one

_POINTS = {"visible": True, "colorMode": "rgb", "colorField": "rgb", "pointSize": 3}
_GREY_POINTS = {"visible": True, "colorMode": "flat", "flatColor": "#b0b4b8ff", "pointSize": 2}
_GRID = {
    "visible": True,
    "label": "Grid",
    "instanceId": "grid",
    "layerId": "foxglove.Grid",
    "size": 100,
    "divisions": 10,
    "lineWidth": 1,
    "color": "#505050ff",
    "position": [0, 0, 0],
    "rotation": [0, 0, 0],
}
_IMAGES_IN_A_COLUMN = 3  # beside the cloud; more of them stand two in a row
_BEHIND_AND_ABOVE = {
    "perspective": True,
    "distance": 60,
    "phi": 55,
    "thetaOffset": 90,
    "target": [0, 0, 0],
    "targetOffset": [0, 0, 0],
    "targetOrientation": [0, 0, 0, 1],
    "fovy": 45,
    "near": 0.5,
    "far": 5000,
}


def foxglove_layout(
    cloud_topic: str,
    info_topic: str,
    frame_id: str,
    cameras: Sequence[CameraTopics] = (),
    marker_topic: str = "",
    labelled: bool = True,
) -> dict[str, Any]:
    """A layout to import into Foxglove: the cloud in 3D, the class names, and each camera with the points projected into it.

    frame_id: the frame to look from; empty text leaves the choice to Foxglove. marker_topic: boxes over the cloud, where
    there are any. labelled: whether the cloud has the colours of classes; else its points are grey.
    """
    boxes = {marker_topic: {"visible": True}} if marker_topic else {}
    view = {
        "cameraState": _BEHIND_AND_ABOVE,
        "followMode": "follow-pose",
        "topics": {cloud_topic: _POINTS if labelled else _GREY_POINTS, **boxes},
        "layers": {"grid": _GRID},
        "scene": {"backgroundColor": "#303030", "transforms": {"showLabel": False, "lineWidth": 0}},
    }
    names = {"topicPath": f"{info_topic}.data", "diffEnabled": False}
    pictures = {f"Image!camera{number}": _picture(camera, cloud_topic) for number, camera in enumerate(cameras)}
    return {
        "configById": {
            "3D!cloud": view | ({"followTf": frame_id} if frame_id else {}),
            **pictures,
            "RawMessages!classes": names,
        },
        "globalVariables": {},
        "userNodes": {},
        "playbackConfig": {"speed": 1},
        "layout": {
            "first": "3D!cloud",
            "second": _split([*_rows(list(pictures)), "RawMessages!classes"], "column"),
            "direction": "row",
            "splitPercentage": 70 if len(pictures) <= _IMAGES_IN_A_COLUMN else 55,
        },
    }


def rviz_view(cloud_topic: str, frame_id: str, marker_topic: str = "") -> str:
    """A configuration for `rviz2 -d`: the cloud in its colours and boxes over it, seen from the cloud's own frame."""
    import yaml

    cloud = {
        "Class": "rviz_default_plugins/PointCloud2",
        "Name": "Labelled points",
        "Enabled": True,
        "Color Transformer": "RGB8",
        "Position Transformer": "XYZ",
        "Style": "Points",
        "Size (Pixels)": 2,
        "Topic": {"Value": cloud_topic, "Depth": 5, "Reliability Policy": "Best Effort"},
    }
    markers = {
        "Class": "rviz_default_plugins/MarkerArray",
        "Name": "Boxes",
        "Enabled": True,
        "Topic": {"Value": marker_topic, "Depth": 5, "Reliability Policy": "Best Effort"},
    }
    grid = {"Class": "rviz_default_plugins/Grid", "Name": "Grid", "Enabled": True, "Cell Size": 10}
    orbit = {"Class": "rviz_default_plugins/Orbit", "Name": "Current View", "Distance": 60, "Pitch": 0.8, "Yaw": 3.14}
    manager = {
        "Class": "",
        "Name": "root",
        "Enabled": True,
        "Displays": [grid, cloud, *([markers] if marker_topic else [])],
        "Global Options": {"Background Color": "48; 48; 48", "Fixed Frame": frame_id, "Frame Rate": 30},
        "Tools": [{"Class": f"rviz_default_plugins/{tool}"} for tool in ("MoveCamera", "Select", "FocusCamera")],
        "Views": {"Current": orbit},
    }
    panels = [{"Class": "rviz_common/Displays", "Name": "Displays"}, {"Class": "rviz_common/Time", "Name": "Time"}]
    window = {"Hide Left Dock": False, "Hide Right Dock": False}  # RViz reads both: without them a dock may be hidden
    view = {"Panels": panels, "Visualization Manager": manager, "Window Geometry": window}
    return yaml.safe_dump(view, sort_keys=False)


def _picture(camera: CameraTopics, cloud_topic: str) -> dict[str, Any]:
    source = {"imageTopic": camera.image_topic, "calibrationTopic": camera.info_topic}
    return {"imageMode": source, "topics": {cloud_topic: _POINTS | {"pointSize": 2}}}


def _rows(panels: Sequence[str]) -> list[_Place]:
    """One panel a row, or two where they would be too low."""
    across = 1 if len(panels) <= _IMAGES_IN_A_COLUMN else 2
    return [_split(panels[start : start + across], "row") for start in range(0, len(panels), across)]


def _split(places: Sequence[_Place], direction: str) -> _Place:
    """Places one after the other, equally large: Foxglove splits a place in two, and each part again."""
    first, *rest = places
    if not rest:
        return first
    return {
        "first": first,
        "second": _split(rest, direction),
        "direction": direction,
        "splitPercentage": round(100 / len(places), 1),
    }
