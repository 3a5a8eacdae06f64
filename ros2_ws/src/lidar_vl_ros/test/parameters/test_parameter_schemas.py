"""The JSON schemas of parameter files say what the nodes say."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from lidar_vl_ros.parameter_schemas import SETTINGS, as_text
from lidar_vl_ros.parameters.fields import every_field, maps_of_names

_PACKAGE = Path(__file__).resolve().parents[2]


def _schema(node):
    return json.loads((_PACKAGE / "schema" / f"{node}.schema.json").read_text())


def _parameters(**told):
    return {"/**": {"ros__parameters": told}}


@pytest.mark.parametrize("node", SETTINGS)
def test_the_shipped_schema_is_the_one_that_the_code_prints(node):
    shipped = (_PACKAGE / "schema" / f"{node}.schema.json").read_text()
    assert shipped == as_text(node), "python -m lidar_vl_ros.parameter_schemas ros2_ws/src/lidar_vl_ros/schema"
    jsonschema.Draft202012Validator.check_schema(_schema(node))


@pytest.mark.parametrize("path", sorted((_PACKAGE / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_parameter_files_pass_their_schema(path):
    jsonschema.validate(yaml.safe_load(path.read_text()), _schema(f"{path.stem}_node"))


@pytest.mark.parametrize("node", SETTINGS)
def test_every_parameter_of_a_node_has_a_meaning(node):
    fields = every_field(SETTINGS[node], [f"{name}.NAME." for name in maps_of_names(SETTINGS[node])])
    assert {name for name, field in fields.items() if not field.description} == set()


@pytest.mark.parametrize(
    ("node", "told", "place"),
    [
        ("segmentation_node", {"unknown_treshold": 0.5}, "unknown_treshold"),
        ("segmentation_node", {"unknown_threshold": 2.0}, "maximum"),
        ("detection_node", {"sweeps": "three"}, "integer"),
        ("perception_node", {"cameras": {"front": {"topik": "/camera"}}}, "topik"),
    ],
)
def test_a_file_that_the_node_would_refuse_does_not_pass(node, told, place):
    with pytest.raises(jsonschema.ValidationError, match=place):
        jsonschema.validate(_parameters(**told), _schema(node))


def test_cameras_of_any_name_and_limits_of_any_class_pass():
    told = {
        "model": "demo_detector",
        "cameras": {"front": {"topic": "/camera/front"}},
        "classes": {"car": {"min_score": 0.4}},
    }
    jsonschema.validate(_parameters(use_sim_time=True, **told), _schema("detection_node"))
