"""Boxes as vision_msgs/Detection3DArray, without ROS: a checked message as boxes, and boxes as a message."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.transform import require_upright, yaw_of
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.classes.name_map import NameMap
from lidar_vl_core.foundation.errors import BadBoxes, BadLabels, BadTransform
from lidar_vl_core.foundation.message_types import message_types
from lidar_vl_core.foundation.stamps import sec_and_nanosec, stamp_ns
from lidar_vl_core.foundation.vision_messages import DETECTIONS_TYPE
from lidar_vl_core.geometry.rigid_transform import RigidTransform

MOST_BOXES = 10_000  # of one message: a street has some hundred things
_FARTHEST_M = 1e8  # beyond it nothing on Earth is, in any frame
_OPINIONS = ("segmentation/", "images/")  # of our own nodes: what others than the detector say of a box
_LONGEST_NAME = 60  # that a message shows


@dataclass(frozen=True, eq=False)
class ToldBoxes:
    """The boxes of a message, which may be turned any way in the frame of its header."""

    frame_id: str
    stamp_ns: int
    center_m: np.ndarray  # (N, 3) float64
    rotation: np.ndarray  # (N, 3, 3) float64: columns are the directions of length, width and height
    size_m: np.ndarray  # (N, 3) float64 length, width, height
    class_id: np.ndarray  # (N,) uint8; 255 = none of the table's
    score: np.ndarray  # (N,) float32, 0..1

    def __len__(self) -> int:
        return len(self.center_m)

    def in_frame(self, T_target_message: RigidTransform, frame_id: str) -> Boxes3d:
        """The boxes in another frame, upright; without their velocities. Raises BadTransform where one leans more than 30 degrees."""
        axes = T_target_message.rotation @ self.rotation
        if len(self):
            require_upright(axes[axes[:, 2, 2].argmin(), :, 2])
        boxes = np.column_stack([T_target_message.apply(self.center_m), self.size_m, yaw_of(axes[:, :, 0])])
        return Boxes3d.of(boxes, self.class_id, self.score, frame_id=frame_id)


def boxes_in_message(message: Any, names: NameMap) -> ToldBoxes:  # noqa: ANN401  a Detection3DArray of any library
    """The boxes of a message. A detection without a result has no class (255); of several results the most confident counts.

    Raises BadBoxes, naming the detection, for numbers that cannot be, and for more than MOST_BOXES; BadLabels for a class
    that nobody knows.
    """
    detections = message.detections
    if len(detections) > MOST_BOXES:
        raise BadBoxes(
            f"expected at most {MOST_BOXES} boxes, found {len(detections)}. Check the topic: is it a message of boxes?"
        )
    rows = [_Row.of(number, detection, names) for number, detection in enumerate(detections)]
    return ToldBoxes(
        _frame_of(message.header.frame_id, detections),
        stamp_ns(message.header.stamp),
        np.array([row.center_m for row in rows], np.float64).reshape(-1, 3),
        np.array([row.rotation for row in rows], np.float64).reshape(-1, 3, 3),
        np.array([row.size_m for row in rows], np.float64).reshape(-1, 3),
        np.array([row.class_id for row in rows], np.uint8),
        np.array([row.score for row in rows], np.float32),
    )


def detections_message(boxes: Boxes3d, classes: ClassTable, at_ns: int) -> Any:  # noqa: ANN401  a generated class
    """One detection per box, with its class and score; a box without a class (255) has no result. The message has no field for velocities."""
    types = message_types().types
    sec, nanosec = sec_and_nanosec(at_ns)
    header = types["std_msgs/msg/Header"](
        stamp=types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec), frame_id=boxes.frame_id
    )
    detections = []
    for row, (x, y, z, length, width, height, yaw) in enumerate(boxes.boxes.tolist()):
        turn = types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=math.sin(yaw / 2), w=math.cos(yaw / 2))
        pose = types["geometry_msgs/msg/Pose"](
            position=types["geometry_msgs/msg/Point"](x=x, y=y, z=z), orientation=turn
        )
        class_id = int(boxes.class_id[row])
        results = []
        if class_id != IGNORE_ID:
            told = types["vision_msgs/msg/ObjectHypothesis"](
                class_id=classes.names[class_id], score=float(boxes.score[row])
            )
            unsure = types["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=np.zeros(36))
            results = [types["vision_msgs/msg/ObjectHypothesisWithPose"](hypothesis=told, pose=unsure)]
        size = types["geometry_msgs/msg/Vector3"](x=length, y=width, z=height)
        box = types["vision_msgs/msg/BoundingBox3D"](center=pose, size=size)
        detections.append(types["vision_msgs/msg/Detection3D"](header=header, results=results, bbox=box, id=""))
    return types[DETECTIONS_TYPE](header=header, detections=detections)


@dataclass(frozen=True, eq=False)
class _Row:
    center_m: tuple[float, float, float]
    rotation: np.ndarray
    size_m: tuple[float, float, float]
    class_id: int
    score: float

    @staticmethod
    def of(number: int, detection: Any, names: NameMap) -> "_Row":  # noqa: ANN401
        """A checked detection. Raises as boxes_in_message()."""
        place, turn, size = detection.bbox.center.position, detection.bbox.center.orientation, detection.bbox.size
        center_m, size_m = (place.x, place.y, place.z), (size.x, size.y, size.z)
        _require(number, "a centre on Earth in metres", center_m, all(abs(value) <= _FARTHEST_M for value in center_m))
        _require(number, "sizes >= 0 in metres", size_m, all(0 <= value <= _FARTHEST_M for value in size_m))
        try:
            rotation = RigidTransform.from_quaternion((turn.x, turn.y, turn.z, turn.w), (0, 0, 0)).rotation
        except BadTransform as error:
            raise BadBoxes(f"box {number}: {error}") from error
        name, score = _surest(number, detection.results)
        try:
            class_id = IGNORE_ID if name is None else names.class_id(name[:_LONGEST_NAME])
        except BadLabels as error:
            raise BadLabels(f"box {number}: {error}") from error
        return _Row(center_m, rotation, size_m, class_id, score)


def _surest(number: int, results: Sequence[Any]) -> tuple[str | None, float]:
    """Class and score, the detector's own where one of our nodes tells second opinions, too."""
    own = [each.hypothesis for each in results if not each.hypothesis.class_id.startswith(_OPINIONS)]
    scores = tuple(each.score for each in own)
    _require(number, "scores in 0..1", scores, all(0 <= score <= 1 for score in scores))
    if not own:
        return None, 1.0
    best = max(own, key=lambda each: each.score)
    return best.class_id, best.score


def _frame_of(frame_id: str, detections: Sequence[Any]) -> str:
    """The one frame of all; a detection may leave its own empty, as may the array."""
    frames = sorted({frame_id, *(each.header.frame_id for each in detections)} - {""})
    if len(frames) > 1:
        raise BadBoxes(f"expected boxes in one frame, found {', '.join(frames[:3])}. Publish one array per frame.")
    return frames[0] if frames else ""


def _require(number: int, expected: str, found: tuple[float, ...], holds: bool) -> None:
    if not holds:  # also where one of them is NaN
        raise BadBoxes(f"box {number}: expected {expected}, found {list(found)}. Fix the node that publishes it.")
