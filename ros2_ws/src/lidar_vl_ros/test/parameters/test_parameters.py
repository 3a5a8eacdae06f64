"""Parameters are generated from the configuration; every wrong one is refused by name, at start and by the service."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import pytest
import rclpy
from lidar_vl_ros import both_tasks_node, detection_node, segmentation_node
from lidar_vl_ros.bags import player, recorder
from lidar_vl_ros.bags.player import PlayerParameters
from lidar_vl_ros.bags.recorder import RecorderParameters
from lidar_vl_ros.inputs.camera_parameters import CameraParameters
from lidar_vl_ros.parameters import fields, ros_parameters
from lidar_vl_ros.parameters.each_node import DetectionParameters, PerceptionParameters, SegmentationParameters
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from lidar_vl_core.boxes.limits import BoxLimits
from lidar_vl_core.foundation.errors import BadConfig

_KINDS = (SegmentationParameters, DetectionParameters, PerceptionParameters, PlayerParameters, RecorderParameters)
# What a node has parameters for depends on the cameras and classes it is given.
_CAMERA = {"cameras.front.topic": "/front/image"}
_GIVEN = {
    SegmentationParameters: _CAMERA,
    DetectionParameters: _CAMERA | {"model": "made-up", "classes.car.min_score": 0.5},
    PerceptionParameters: _CAMERA | {"detection.model": "made-up", "detection.classes.car.max_range_m": 40.0},
}


def _fields(settings: type) -> dict:
    return fields.every_field(settings, _GIVEN.get(settings, {}))


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    context = Context()
    rclpy.init(context=context)
    yield context
    rclpy.shutdown(context=context)


def _node(context: Context, settings: type, overrides: Mapping[str, object] = MappingProxyType({})) -> Node:
    node = Node(
        "parameters_test",
        context=context,
        start_parameter_services=False,
        parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()],
    )
    ros_parameters.declare(node, settings)
    return node


def _wrong_values(settings: type, name: str) -> list[object]:
    field = _fields(settings)[name]
    if field.annotation in (bool, bool | None):
        return [1, 1.0, "true", ["true"]]
    if field.annotation is str:
        return [True, 3, 2.5, ["demo"]]
    if field.annotation is int:
        return [True, 2.5, "3", [3], -1, 1 << 40]
    if field.annotation in (float, float | None):
        return [True, "1.0", [1.0], float("nan"), float("inf"), -1e3, 1e300]
    return [True, 3, "a", [1, 2]]


@pytest.mark.parametrize(("settings", "name"), [(settings, name) for settings in _KINDS for name in _fields(settings)])
def test_every_wrong_value_is_refused_by_name_with_what_was_found(context, settings, name):
    node = _node(context, settings)
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
    node = _node(context, SegmentationParameters, {name: wrong})
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
        _node(context, SegmentationParameters, {name: value})


def test_each_camera_has_parameters_of_its_own(context):
    given = {"cameras.front.topic": "/a", "cameras.rear.topic": "/b/image_rect", "cameras.rear.offset_s": 1}
    node = _node(context, SegmentationParameters, given | {"cameras.rear.required": True})
    cameras = ros_parameters.read(node, SegmentationParameters).cameras
    assert cameras == {
        "front": CameraParameters(topic="/a"),
        "rear": CameraParameters(topic="/b/image_rect", offset_s=1.0, required=True),
    }
    assert [cameras[name].is_rectified for name in ("front", "rear")] == [False, True]
    assert node.has_parameter("cameras.front.tolerance_s")
    node.destroy_node()


def test_whether_images_are_rectified_and_where_the_calibration_comes_can_be_said(context):
    given = {"cameras.front.topic": "/a/image_rect", "cameras.front.rectified": False, "cameras.front.info_topic": "/c"}
    node = _node(context, SegmentationParameters, given)
    camera = ros_parameters.read(node, SegmentationParameters).cameras["front"]
    assert (camera.is_rectified, camera.calibration_topic) == (False, "/c")
    node.destroy_node()


def test_the_topic_of_a_camera_info_is_not_one_of_images(context):
    node = _node(context, SegmentationParameters, {"cameras.front.topic": "/front/camera_info"})
    with pytest.raises(BadConfig, match="expected the topic of the images, found that of their camera_info"):
        ros_parameters.read(node, SegmentationParameters)
    node.destroy_node()


def test_an_integer_given_for_a_double_is_that_number(context):
    node = _node(context, SegmentationParameters, {"max_input_age_ms": 150})
    assert ros_parameters.read(node, SegmentationParameters).max_input_age_ms == 150.0
    node.destroy_node()


def test_lists_arrive_as_tuples_and_an_empty_list_as_nothing(context):
    node = _node(context, SegmentationParameters, {"extra_fields": ["ring", "time"]})
    settings = ros_parameters.read(node, SegmentationParameters)
    assert settings.extra_fields == ("ring", "time")
    assert settings.static_transforms == ()
    assert settings.cameras == {}
    node.destroy_node()


@pytest.mark.parametrize("settings", _KINDS)
def test_every_parameter_is_described_and_every_number_has_a_range(context, settings):
    node = _node(context, settings, _GIVEN.get(settings, {}))
    for name, field in _fields(settings).items():
        descriptor = node.describe_parameter(name)
        assert len(descriptor.description) > 10, name
        if field.annotation in (float, float | None):
            assert descriptor.floating_point_range[0].from_value < descriptor.floating_point_range[0].to_value, name
        if field.annotation is int:
            assert descriptor.integer_range[0].from_value < descriptor.integer_range[0].to_value, name
    node.destroy_node()


@pytest.mark.parametrize("settings", _KINDS)
def test_help_tells_every_parameter_with_its_default(settings):
    told = ros_parameters.usage("What it does.", settings)
    assert told.startswith("What it does.")
    named = [f"{name}.NAME." for name in fields.maps_of_names(settings)]
    for name, field in fields.every_field(settings, named).items():
        assert any(line.split()[:1] == [name] and repr(field.default) in line for line in told.splitlines()), name


@pytest.mark.parametrize(
    "main", [node.main for node in (segmentation_node, detection_node, both_tasks_node, player, recorder)]
)
def test_asked_for_help_a_node_tells_and_does_not_start(main, capsys):
    assert main(["--help"]) == 0
    assert "parameters" in capsys.readouterr().out


def test_limits_of_classes_are_told_apart_from_those_for_all(context):
    given = {"model": "made-up", "min_score": 0.4, "classes.car.min_score": 0.0, "classes.person.max_range_m": 30}
    node = _node(context, DetectionParameters, given)
    rules = ros_parameters.read(node, DetectionParameters).rules
    assert rules.of_all == BoxLimits(min_score=0.4)
    assert rules.of_class == {"car": BoxLimits(min_score=0.0), "person": BoxLimits(max_range_m=30.0)}
    node.destroy_node()


def test_what_stands_below_the_name_of_a_task_is_that_task_s_and_the_rest_is_both_s(context):
    given = _CAMERA | {
        "detection.model": "boxes",
        "detection.classes.car.min_score": 0.5,
        "segmentation.model": "points",
    }
    node = _node(context, PerceptionParameters, given | {"max_points": 1000})
    settings = ros_parameters.read(node, PerceptionParameters)
    of_points, of_boxes = settings.of_segmentation(), settings.of_detection()
    assert (of_points.model, of_boxes.model) == ("points", "boxes")
    assert of_points.cameras == of_boxes.cameras == {"front": CameraParameters(topic="/front/image")}
    assert (of_points.max_points, of_boxes.max_points) == (1000, 1000)
    assert of_boxes.rules.of_class["car"].min_score == 0.5
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
        _node(context, settings, _GIVEN.get(settings, {}) | given)
    assert expected in str(caught.value)


def test_parameters_that_ros_gives_every_node_are_no_wrong_names(context):
    given = {"use_sim_time": False, "qos_overrides./tf.subscription.depth": 5, "start_type_description_service": False}
    _node(context, SegmentationParameters, given).destroy_node()


def test_what_may_change_while_the_node_serves_may_do_so_below_a_name_too():
    names = [
        "detection.min_score",
        "detection.classes.car.min_score",
        "detection.sweeps",
        "segmentation.prompts",
        "other",
    ]
    assert fields.fixed_names(PerceptionParameters, names) == {"detection.sweeps"}
