"""Boxes as visualization_msgs/MarkerArray: edges, a text, and an arrow for moving objects."""

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from lidar_vl_core.boxes.corners import BOX_EDGES, box_corners
from lidar_vl_core.drawing.palette import screen_colors
from lidar_vl_core.foundation.stamps import nanoseconds, sec_and_nanosec
from lidar_vl_ros.messages.objects import FoundObjects

EDGES, TEXTS, VELOCITIES = "boxes", "labels", "velocities"  # namespaces; the id in each is the box's row
_LINE_M, _TEXT_M, _SHAFT_M, _HEAD_M = 0.08, 0.6, 0.15, 0.35
_ARROW_S = 1.0  # an arrow ends where the object will be after one second
_SLOWEST_MPS = 0.2  # of an arrow; slower ones are shorter than they are thick


def object_markers(found: FoundObjects, lifetime_s: float) -> MarkerArray:
    """All that a viewer shows of one cloud's boxes; the first marker deletes the previous ones, even if there are no boxes now.

    lifetime_s: after this a marker vanishes by itself if no cloud follows; 0 = never.
    """
    lifetime = Duration(**dict(zip(("sec", "nanosec"), sec_and_nanosec(nanoseconds(lifetime_s)), strict=True)))
    markers = [Marker(header=found.header, action=Marker.DELETEALL)]
    colors = screen_colors(found.classes).astype(float) / 255.0
    speed_mps, center_m, edge_ends_m = found.speed_mps(), found.center_m(), _edge_ends(found.boxes.boxes).tolist()
    for row, (height, yaw) in enumerate(found.boxes.boxes[:, 5:].tolist()):
        shared = {"header": found.header, "id": row, "action": Marker.ADD, "lifetime": lifetime}
        red, green, blue = colors[found.boxes.class_id[row]].tolist()
        color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
        x, y, z = center_m[row].tolist()
        middle, top = Point(x=x, y=y, z=z), Point(x=x, y=y, z=z + height / 2 + _TEXT_M)
        pose = Pose(position=middle, orientation=yaw_quaternion(yaw))
        edges = Marker(ns=EDGES, type=Marker.LINE_LIST, pose=pose, color=color, **shared)
        edges.scale.x = _LINE_M
        edges.points = [Point(x=x_m, y=y_m, z=z_m) for x_m, y_m, z_m in edge_ends_m[row]]
        text = Marker(ns=TEXTS, type=Marker.TEXT_VIEW_FACING, pose=Pose(position=top), color=color, **shared)
        text.scale.z, text.text = _TEXT_M, object_text(found, row)
        markers += [edges, text]
        if speed_mps[row] >= _SLOWEST_MPS:  # false for NaN
            vx, vy = (_ARROW_S * found.boxes.velocity_mps[row].astype(float)).tolist()
            scale = Vector3(x=_SHAFT_M, y=_HEAD_M, z=_HEAD_M)
            arrow = Marker(ns=VELOCITIES, type=Marker.ARROW, scale=scale, color=color, **shared)
            arrow.points = [middle, Point(x=x + vx, y=y + vy, z=z)]
            markers.append(arrow)
    return MarkerArray(markers=markers)


def object_text(found: FoundObjects, row: int) -> str:
    """A box in words: `car 0.83, 7.2 m/s`, and a line for each second opinion: `segmentation: truck 71 %`."""
    first = f"{found.name_of(row)} {found.boxes.score[row]:.2f}"
    if np.isfinite(speed := found.speed_mps()[row]):
        first += f", {speed:.1f} m/s"
    others = [
        f"{opinion.source}: {name} {100 * opinion.majority.share[row]:.0f} %"
        for opinion in found.opinions
        if (name := opinion.name_of(row)) is not None
    ]
    return "\n".join([first, *others])


def yaw_quaternion(yaw_rad: float) -> Quaternion:
    """A rotation about z."""
    return Quaternion(x=0.0, y=0.0, z=float(np.sin(yaw_rad / 2)), w=float(np.cos(yaw_rad / 2)))


def _edge_ends(boxes: np.ndarray) -> np.ndarray:
    """(M, 28, 3) end points of the lines of boxes (M, 7), in each box's own frame: two per line."""
    at_home = boxes.copy()
    at_home[:, [0, 1, 2, 6]] = 0.0
    return box_corners(at_home)[:, BOX_EDGES.reshape(-1)]
