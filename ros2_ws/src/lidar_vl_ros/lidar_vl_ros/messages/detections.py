"""Boxes as vision_msgs/Detection3DArray, where that package is installed."""

from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Vector3

from lidar_vl_ros.messages.markers import yaw_quaternion
from lidar_vl_ros.messages.message_class import message_class
from lidar_vl_ros.messages.objects import FoundObjects


@dataclass(frozen=True)
class DetectionTypes:
    """The vision_msgs types that make up an array of boxes."""

    array: type
    detection: type
    box: type
    result: type
    hypothesis: type

    @staticmethod
    def installed() -> "DetectionTypes | None":
        """The types; None if vision_msgs is not installed, or older than ROS 2 Humble, with other fields."""
        names = ("Detection3DArray", "Detection3D", "BoundingBox3D", "ObjectHypothesisWithPose", "ObjectHypothesis")
        found = [kind for name in names if (kind := message_class(f"vision_msgs/msg/{name}")) is not None]
        return DetectionTypes(*found) if len(found) == len(names) else None


def detection_array(types: DetectionTypes, found: FoundObjects) -> Any:  # noqa: ANN401  a Detection3DArray
    """One detection for each box, best first, with the cloud's header; empty for a cloud without objects.

    The first result is the detector's: class name and score. Second opinions follow as `segmentation/NAME` or
    `images/NAME`, with the share of the box's points that have this class as their score.
    """
    center_m = found.center_m().tolist()
    detections = []
    for row, (_, _, _, length, width, height, yaw) in enumerate(found.boxes.boxes.tolist()):
        x, y, z = center_m[row]
        pose = Pose(position=Point(x=x, y=y, z=z), orientation=yaw_quaternion(yaw))
        hypotheses = [(found.name_of(row), float(found.boxes.score[row]))]
        hypotheses += [
            (f"{opinion.source}/{name}", float(opinion.majority.share[row]))
            for opinion in found.opinions
            if (name := opinion.name_of(row)) is not None
        ]
        results = [
            types.result(hypothesis=types.hypothesis(class_id=name, score=score), pose=PoseWithCovariance(pose=pose))
            for name, score in hypotheses
        ]
        box = types.box(center=pose, size=Vector3(x=length, y=width, z=height))
        detections.append(types.detection(header=found.header, results=results, bbox=box, id=""))
    return types.array(header=found.header, detections=detections)
