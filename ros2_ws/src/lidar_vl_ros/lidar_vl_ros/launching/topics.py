"""Remappings of the nodes' topics for an output prefix and a namespace, for the node and for its viewers."""

import re
from collections.abc import Mapping, Sequence

from lidar_vl_ros.launching.parameter_files import LaunchRefused

_OF_SEGMENTATION = (
    "pointcloud/segmentation",
    "pointcloud/visualization",
    "image/overlay",
    "label_info",
    "vision_label_info",
)
_OF_DETECTION = (
    "objects/markers", "objects/boxes", "objects/detections", "image/objects", "objects/label_info", "objects/vision_label_info",
)  # fmt: skip
OUTPUTS = {
    "segmentation": _OF_SEGMENTATION,
    "detection": _OF_DETECTION,
    "perception": _OF_SEGMENTATION + _OF_DETECTION,
}
_DRIVER = "/lidar/points"  # which the views are made for

_NAME = re.compile(r"(~?/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*/?", re.ASCII)

Remappings = list[tuple[str, str]]


def require_names(told: Mapping[str, str]) -> None:
    """Raise LaunchRefused unless the arguments input, output and namespace are names to ROS, or the latter two empty."""
    for argument in ("input", "output", "namespace"):
        name = told[argument]
        if _NAME.fullmatch(name) is None and (name or argument == "input"):
            raise LaunchRefused(
                f"{argument}:={name}: expected names of letters, digits and _ with / between them, none of which begins with a digit."
            )


def namespace_of(told: Mapping[str, str]) -> str:
    """The namespace of the node, which may be empty: the argument's, below the one that an including launch file pushed."""
    pushed, namespace = told.get("ros_namespace", ""), told["namespace"]  # the first is where launch_ros keeps it
    return namespace if namespace.startswith("/") or not pushed else f"{pushed.rstrip('/')}/{namespace}".rstrip("/")


def full_name(namespace: str, node: str) -> str:
    """The full name of a node in a namespace, which may be empty."""
    return "/" + "/".join(part for part in (*namespace.split("/"), node) if part)


def of_node(task: str, cloud_topic: str, prefix: str) -> Remappings:
    """Remappings for the node of a task. prefix: of its output topics; empty: its own."""
    outputs = [(f"~/output/{name}", f"{prefix.rstrip('/')}/{name}") for name in OUTPUTS[task] if prefix]
    return [("~/input/pointcloud", cloud_topic), *outputs]


def of_view(task: str, cloud_topic: str, prefix: str, namespace: str) -> Remappings:
    """Remappings for a viewer layout made for the driver's usual topic and a node without namespace and prefix."""
    shown, node = f"/{task}_node/output", full_name(namespace, f"{task}_node")
    told = absolute(prefix, namespace).rstrip("/") if prefix else f"{node}/output"
    pairs: Sequence[tuple[str, str]] = [
        (_DRIVER, absolute(cloud_topic, namespace)),
        *((f"{shown}/{name}", f"{told}/{name}") for name in OUTPUTS[task]),
    ]
    return [(made_for, real) for made_for, real in pairs if made_for != real]


def absolute(topic: str, namespace: str) -> str:
    """The absolute name of a topic for a node in a namespace, which may be empty."""
    return topic if topic.startswith("/") else full_name(namespace, topic)
