"""Nodes that only have parameters, and what each kind of node is given."""

from collections.abc import Mapping
from types import MappingProxyType

from lidar_vl_ros.bags.player import PlayerParameters
from lidar_vl_ros.bags.recorder import RecorderParameters
from lidar_vl_ros.parameters import fields, ros_parameters
from lidar_vl_ros.parameters.each_node import DetectionParameters, PerceptionParameters, SegmentationParameters
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

KINDS = (SegmentationParameters, DetectionParameters, PerceptionParameters, PlayerParameters, RecorderParameters)
# What a node has parameters for depends on the cameras and classes it is given.
CAMERA = {"cameras.front.topic": "/front/image"}
GIVEN = {
    SegmentationParameters: CAMERA,
    DetectionParameters: CAMERA | {"model": "made-up", "classes.car.min_score": 0.5},
    PerceptionParameters: CAMERA | {"detection.model": "made-up", "detection.classes.car.max_range_m": 40.0},
}


def fields_of(settings: type) -> dict:
    return fields.every_field(settings, GIVEN.get(settings, {}))


def node_with(context: Context, settings: type, overrides: Mapping[str, object] = MappingProxyType({})) -> Node:
    node = Node(
        "parameters_test",
        context=context,
        start_parameter_services=False,
        parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()],
    )
    ros_parameters.declare(node, settings)
    return node
