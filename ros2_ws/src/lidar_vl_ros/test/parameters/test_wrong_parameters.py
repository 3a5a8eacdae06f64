"""Every wrong parameter is refused by name, at start and by the service."""

import pytest
from lidar_vl_ros.bags.player import PlayerParameters
from lidar_vl_ros.parameters import ros_parameters
from lidar_vl_ros.parameters.each_node import DetectionParameters, PerceptionParameters, SegmentationParameters
from rclpy.parameter import Parameter

from lidar_vl_core.foundation.errors import BadConfig
from ros2_ws.src.lidar_vl_ros.test.parameters.parameter_nodes import GIVEN, KINDS, fields_of, node_with


def _wrong_values(settings: type, name: str) -> list[object]:
    field = fields_of(settings)[name]
    if field.annotation in (bool, bool | None):
        return [1, 1.0, "true", ["true"]]
    if field.annotation is str:
        return [True, 3, 2.5, ["demo"]]
    if field.annotation is int:
        return [True, 2.5, "3", [3], -1, 1 << 40]
    if field.annotation in (float, float | None):
        return [True, "1.0", [1.0], float("nan"), float("inf"), -1e3, 1e300]
    return [True, 3, "a", [1, 2]]


@pytest.mark.parametrize(("settings", "name"), [(settings, name) for settings in KINDS for name in fields_of(settings)])
def test_every_wrong_value_is_refused_by_name_with_what_was_found(context, settings, name):
    node = node_with(context, settings)
    for wrong in _wrong_values(settings, name):
        result = ros_parameters.check_change(settings, [Parameter(name, value=wrong)], "node")
        assert not result.successful, wrong
        assert name in result.reason
    node.destroy_node()


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("threads", -5, "at least 0"),
        ("threads", "four", "a whole number"),
        ("max_input_age_ms", -1.0, "at least 0"),
        ("max_input_age_ms", True, "a number"),
        ("engine", "tensorflow", "pattern"),
        ("model", "", "text that is not empty"),
        ("extra_fields", "ring", "a list"),
        ("cameras.front.topic", "", "text that is not empty"),
        ("cameras.front.topic", "/front image", "the name of a topic"),
        ("cameras.front.info_topic", "/1st/camera_info", "the name of a topic"),
        ("lidars.left.topic", "/left//points", "the name of a topic"),
        ("odometry_topic", "/odom/", "the name of a topic"),
        ("cameras.front.tolerance_s", 0.0, "above 0"),
        ("cameras.front.offset_s", "late", "a number"),
        ("cameras.front.required", 1, "true or false"),
        ("cameras.front.rectified", "no", "true or false"),
        ("autostart", "yes", "true or false"),
    ],
)
def test_a_wrong_override_is_kept_until_configure_refuses_it_by_name(context, name, wrong, expected):
    node = node_with(context, SegmentationParameters, {name: wrong})
    with pytest.raises(BadConfig) as caught:
        ros_parameters.read(node, SegmentationParameters)
    assert f"{name}: " in str(caught.value)
    assert expected in str(caught.value)
    assert f"found {wrong!r}" in str(caught.value)
    node.destroy_node()


@pytest.mark.parametrize(
    ("name", "value", "now"),
    [
        ("camera_topics", ["/front/image"], "cameras.NAME.topic"),
        ("camera_max_time_difference_s", 0.1, "cameras.NAME.tolerance_s"),
    ],
)
def test_a_parameter_that_is_no_more_is_refused_with_the_one_that_took_its_place(context, name, value, now):
    with pytest.raises(BadConfig, match=f"{name}: expected no parameter of this name, .*{now}"):
        node_with(context, SegmentationParameters, {name: value})


def test_the_topic_of_a_camera_info_is_not_one_of_images(context):
    node = node_with(context, SegmentationParameters, {"cameras.front.topic": "/front/camera_info"})
    with pytest.raises(BadConfig, match="expected the topic of the images, found that of their camera_info"):
        ros_parameters.read(node, SegmentationParameters)
    node.destroy_node()


@pytest.mark.parametrize(
    ("settings", "given", "expected"),
    [
        (
            SegmentationParameters,
            {"modle": "demo"},
            "modle: expected a parameter of this node, found none of this name",
        ),
        (SegmentationParameters, {"modle": "demo"}, "(did you mean model?)"),
        (SegmentationParameters, {"cameras.front.tolerence_s": 0.1}, "(did you mean cameras.front.tolerance_s?)"),
        (SegmentationParameters, {"cameras.front": "/front/image"}, "cameras.front: expected cameras.NAME.KEY"),
        (SegmentationParameters, {"cameras": ["/front/image"]}, "cameras: expected cameras.NAME.KEY"),
        (SegmentationParameters, {"black_box": "/data"}, "black_box: expected black_box.KEY"),
        (PerceptionParameters, {"segmentation": "demo"}, "segmentation: expected segmentation.KEY"),
        (DetectionParameters, {"classes.car": 0.5}, "classes.car: expected classes.NAME.KEY"),
        (DetectionParameters, {"classes.car.score": 0.5}, "(did you mean classes.car.min_score?)"),
        (PlayerParameters, {"bga": "drive.mcap"}, "(did you mean bag?)"),
        (
            PerceptionParameters,
            {"detection.classes.car": 0.5},
            "detection.classes.car: expected detection.classes.NAME.KEY",
        ),
        (PerceptionParameters, {"detection.min_scores": 0.5}, "detection.min_scores"),
        (PerceptionParameters, {"model": "demo"}, "model: expected no parameter of this name"),
    ],
)
def test_a_name_that_is_none_is_refused_when_the_node_starts(context, settings, given, expected):
    with pytest.raises(BadConfig) as caught:
        node_with(context, settings, GIVEN.get(settings, {}) | given)
    assert expected in str(caught.value)
