"""Definitions of vision_msgs (boxes), which the library that reads bags does not include."""

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

DETECTIONS_TYPE = "vision_msgs/msg/Detection3DArray"

_PACKAGE = "vision_msgs/msg/"
_DEFINITIONS = {  # since ROS 2 Galactic
    "ObjectHypothesis": "string class_id\nfloat64 score",
    "ObjectHypothesisWithPose": "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose",
    "BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size",
    "Detection3D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\nvision_msgs/BoundingBox3D bbox\nstring id"
    ),
    "Detection3DArray": "std_msgs/Header header\nvision_msgs/Detection3D[] detections",
}
_ROS1_DEFINITIONS = _DEFINITIONS | {  # Kinetic to Noetic
    "ObjectHypothesisWithPose": "int64 id\nfloat64 score\ngeometry_msgs/PoseWithCovariance pose",
    "Detection3D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\nvision_msgs/BoundingBox3D bbox\n"
        "sensor_msgs/PointCloud2 source_cloud"
    ),
}


def register_vision_messages(store: "Typestore") -> None:
    """Add the box messages of vision_msgs to a store of ROS 2's types."""
    _register(store, _DEFINITIONS)


def is_made_anew(type_name: str) -> bool:
    """Whether a type of ROS 1 has other fields than the one that has its name in ROS 2."""
    return type_name.startswith(_PACKAGE)


def detections_of_ros1(data: bytes, store: "Typestore") -> Any:  # noqa: ANN401  a generated class
    """A Detection3DArray that ROS 1 serialised, as ROS 2 has it; the numbers of its classes become text.

    store: of ROS 2's types, with those above. Raises what the generated readers raise.
    """
    types = store.types
    array: Any = _ros1_store().deserialize_ros1(data, DETECTIONS_TYPE)
    detections = [
        types[f"{_PACKAGE}Detection3D"](
            header=each.header,
            results=[
                types[f"{_PACKAGE}ObjectHypothesisWithPose"](
                    hypothesis=types[f"{_PACKAGE}ObjectHypothesis"](class_id=str(result.id), score=result.score),
                    pose=result.pose,
                )
                for result in each.results
            ],
            bbox=each.bbox,
            id="",
        )
        for each in array.detections
    ]
    return types[DETECTIONS_TYPE](header=array.header, detections=detections)


@functools.cache
def _ros1_store() -> "Typestore":
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC)
    _register(store, _ROS1_DEFINITIONS)
    return store


def _register(store: "Typestore", definitions: dict[str, str]) -> None:
    from rosbags.typesys import get_types_from_msg

    for name, text in definitions.items():
        store.register(get_types_from_msg(text, f"{_PACKAGE}{name}"))
