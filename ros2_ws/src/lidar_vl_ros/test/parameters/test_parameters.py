"""Parameters are generated from the configuration: their types, ranges, help, and what belongs to a camera, a class, a task."""

import pytest
from lidar_vl_ros import both_tasks_node, detection_node, segmentation_node
from lidar_vl_ros.bags import player, recorder
from lidar_vl_ros.inputs.camera_parameters import CameraParameters
from lidar_vl_ros.parameters import fields, ros_parameters
from lidar_vl_ros.parameters.each_node import DetectionParameters, PerceptionParameters, SegmentationParameters

from lidar_vl_core.boxes.limits import BoxLimits
from ros2_ws.src.lidar_vl_ros.test.parameters.parameter_nodes import CAMERA, GIVEN, KINDS, fields_of, node_with


def test_each_camera_has_parameters_of_its_own(context):
    given = {"cameras.front.topic": "/a", "cameras.rear.topic": "/b/image_rect", "cameras.rear.offset_s": 1}
    node = node_with(context, SegmentationParameters, given | {"cameras.rear.required": True})
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
    node = node_with(context, SegmentationParameters, given)
    camera = ros_parameters.read(node, SegmentationParameters).cameras["front"]
    assert (camera.is_rectified, camera.calibration_topic) == (False, "/c")
    node.destroy_node()


def test_an_integer_given_for_a_double_is_that_number(context):
    node = node_with(context, SegmentationParameters, {"max_input_age_ms": 150})
    assert ros_parameters.read(node, SegmentationParameters).max_input_age_ms == 150.0
    node.destroy_node()


def test_lists_arrive_as_tuples_and_an_empty_list_as_nothing(context):
    node = node_with(context, SegmentationParameters, {"extra_fields": ["ring", "time"]})
    settings = ros_parameters.read(node, SegmentationParameters)
    assert settings.extra_fields == ("ring", "time")
    assert settings.static_transforms == ()
    assert settings.cameras == {}
    node.destroy_node()


@pytest.mark.parametrize("settings", KINDS)
def test_every_parameter_is_described_and_every_number_has_a_range(context, settings):
    node = node_with(context, settings, GIVEN.get(settings, {}))
    for name, field in fields_of(settings).items():
        descriptor = node.describe_parameter(name)
        assert len(descriptor.description) > 10, name
        if field.annotation in (float, float | None):
            assert descriptor.floating_point_range[0].from_value < descriptor.floating_point_range[0].to_value, name
        if field.annotation is int:
            assert descriptor.integer_range[0].from_value < descriptor.integer_range[0].to_value, name
    node.destroy_node()


@pytest.mark.parametrize("settings", KINDS)
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
    node = node_with(context, DetectionParameters, given)
    rules = ros_parameters.read(node, DetectionParameters).rules
    assert rules.of_all == BoxLimits(min_score=0.4)
    assert rules.of_class == {"car": BoxLimits(min_score=0.0), "person": BoxLimits(max_range_m=30.0)}
    node.destroy_node()


def test_what_stands_below_the_name_of_a_task_is_that_task_s_and_the_rest_is_both_s(context):
    given = CAMERA | {
        "detection.model": "boxes",
        "detection.classes.car.min_score": 0.5,
        "segmentation.model": "points",
    }
    node = node_with(context, PerceptionParameters, given | {"max_points": 1000})
    settings = ros_parameters.read(node, PerceptionParameters)
    of_points, of_boxes = settings.of_segmentation(), settings.of_detection()
    assert (of_points.model, of_boxes.model) == ("points", "boxes")
    assert of_points.cameras == of_boxes.cameras == {"front": CameraParameters(topic="/front/image")}
    assert (of_points.max_points, of_boxes.max_points) == (1000, 1000)
    assert of_boxes.rules.of_class["car"].min_score == 0.5
    node.destroy_node()


def test_parameters_that_ros_gives_every_node_are_no_wrong_names(context):
    given = {"use_sim_time": False, "qos_overrides./tf.subscription.depth": 5, "start_type_description_service": False}
    node_with(context, SegmentationParameters, given).destroy_node()


def test_what_may_change_while_the_node_serves_may_do_so_below_a_name_too():
    names = [
        "detection.min_score",
        "detection.classes.car.min_score",
        "detection.sweeps",
        "segmentation.prompts",
        "other",
    ]
    assert fields.fixed_names(PerceptionParameters, names) == {"detection.sweeps"}
