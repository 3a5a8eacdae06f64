"""Boxes as a visualization_msgs/MarkerArray message, without ROS: the edges of each, with its class and score."""

from functools import partial
from typing import Any

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.corners import BOX_EDGES, box_corners
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.drawing.palette import screen_colors
from lidar_vl_core.foundation.message_types import message_types
from lidar_vl_core.foundation.stamps import sec_and_nanosec

MARKERS_TYPE = "visualization_msgs/msg/MarkerArray"
_LINE_LIST, _TEXT, _ADD, _DELETE_ALL = 5, 9, 0, 3
_LINE_M, _TEXT_M = 0.08, 0.6


def box_markers(boxes: Boxes3d, classes: ClassTable, stamp_ns: int) -> Any:  # noqa: ANN401  a generated class
    """All that a viewer shows of one cloud's boxes; first of all it forgets those before, also where there are none now."""
    types = message_types().types
    point = types["geometry_msgs/msg/Point"]
    colors = screen_colors(classes) / 255.0
    look = partial(_marker, boxes.frame_id, stamp_ns)
    markers = [look("", 0, 0, _DELETE_ALL)]
    ends_m = box_corners(boxes.boxes)[:, BOX_EDGES].reshape(len(boxes), BOX_EDGES.size, 3)
    for row, (box, score) in enumerate(zip(boxes.boxes, boxes.score.tolist(), strict=True)):
        class_id = int(boxes.class_id[row])
        rgb = tuple(colors[class_id].tolist())
        lines = [point(x=x, y=y, z=z) for x, y, z in ends_m[row].tolist()]
        markers.append(look("boxes", row, _LINE_LIST, _ADD, rgb, _LINE_M, points=lines))
        above = box[:3] + np.array([0, 0, box[5] / 2 + _TEXT_M])
        told = f"{classes.names[class_id]} {score:.2f}"
        markers.append(look("labels", row, _TEXT, _ADD, rgb, _TEXT_M, at_m=above, text=told))
    return types[MARKERS_TYPE](markers=markers)


def _marker(
    frame_id: str,
    stamp_ns: int,
    namespace: str,
    number: int,
    kind: int,
    action: int,
    rgb: tuple[float, ...] = (1.0, 1.0, 1.0),
    scale_m: float = 0.0,
    at_m: np.ndarray | None = None,
    points: list[Any] | None = None,
    text: str = "",
) -> Any:  # noqa: ANN401
    types = message_types().types
    sec, nanosec = sec_and_nanosec(stamp_ns)
    x, y, z = (0.0, 0.0, 0.0) if at_m is None else at_m.tolist()
    red, green, blue = rgb
    image = types["sensor_msgs/msg/CompressedImage"]
    header = types["std_msgs/msg/Header"]
    stamp = types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
    no_stamp = types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
    return types["visualization_msgs/msg/Marker"](
        header=header(stamp=stamp, frame_id=frame_id),
        ns=namespace,
        id=number,
        type=kind,
        action=action,
        pose=types["geometry_msgs/msg/Pose"](
            position=types["geometry_msgs/msg/Point"](x=x, y=y, z=z),
            orientation=types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
        ),
        scale=types["geometry_msgs/msg/Vector3"](x=scale_m, y=scale_m, z=scale_m),
        color=types["std_msgs/msg/ColorRGBA"](r=red, g=green, b=blue, a=1.0),
        lifetime=types["builtin_interfaces/msg/Duration"](sec=0, nanosec=0),
        frame_locked=False,
        points=points or [],
        colors=[],
        texture_resource="",
        texture=image(header=header(stamp=no_stamp, frame_id=""), format="", data=np.empty(0, np.uint8)),
        uv_coordinates=[],
        text=text,
        mesh_resource="",
        mesh_file=types["visualization_msgs/msg/MeshFile"](filename="", data=np.empty(0, np.uint8)),
        mesh_use_embedded_materials=False,
    )
