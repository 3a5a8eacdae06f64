"""Detection packages: the manifest says all that decoding needs, and a file that does not fit it is refused."""

import numpy as np
import onnx
import pytest
import yaml

from lidar_vl_core.box_heads.anchor_maps import AnchorMaps
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from lidar_vl_core.model_packages.detection_spec import CenterHeadSpec, DetectionSpec
from lidar_vl_core.model_packages.manifest import GridSpec, Manifest
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.model_packages.package_writer import write_model_package
from tests.written.tiny_detectors import (
    ANCHORS,
    CENTERS,
    SELECTION,
    tiny_detector_manifest,
    tiny_detector_model,
    write_tiny_detector,
)


@pytest.mark.parametrize("head", [ANCHORS, CENTERS], ids=["anchors", "centers"])
def test_a_package_is_read_back_as_it_was_written(head, tmp_path):
    written = write_tiny_detector(tmp_path / "detector", head)
    read = load_model_package(tmp_path / "detector")
    assert read.manifest == written.manifest
    assert read.manifest.detection.head == head
    assert read.manifest.file_names == {"model.onnx", "card.md"}
    with pytest.raises(BadModelPackage, match="expected a package of task embedding, found detection"):
        _ = read.language


def test_the_names_of_the_maps_are_those_that_decoding_reads():
    assert set(ANCHORS.channels) == set(AnchorMaps.__dataclass_fields__)
    expected = {"hm": 2, "center": 2, "center_z": 1, "dim": 3, "rot": 2, "vel": 2}
    assert {name: CENTERS.channels[f"{name}_1"] for name in expected} == expected
    assert "vel_0" not in CenterHeadSpec(groups=((0,),), velocity=False).channels


def _stored(**changes: object) -> dict:
    """A manifest's fields as they stand in the file, with some of those of its detection changed."""
    fields = yaml.safe_load(yaml.safe_dump(tiny_detector_manifest(ANCHORS).model_dump(mode="json", exclude_none=True)))
    fields["detection"] |= changes
    return fields


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"nms": 0.5}, "detection.nms"),
        ({"encoder": "pointpillars"}, "detection.encoder"),
        ({"most_points": 0}, "detection.most_points"),
        ({"head": {"kind": "queries"}}, "detection.head"),
        ({"head": {"kind": "anchors", "kinds": []}}, "detection.head.anchors.kinds"),
        ({"head": {"kind": "centers", "groups": [[0], [0, 1]], "velocity": True}}, "every class once"),
        ({"head": {"kind": "centers", "groups": [[0], [7]], "velocity": True}}, "only classes of class_table"),
        ({"head": {"kind": "centers", "groups": [[]], "velocity": True}}, "detection.head.centers.groups"),
        ({"selection": {**SELECTION.model_dump(), "least_score": 1.5}}, "detection.selection.least_score"),
    ],
)
def test_a_manifest_with_something_unknown_or_impossible_is_refused(changes, told):
    with pytest.raises(BadConfig, match=told):
        validated(Manifest, _stored(**changes), "manifest.yaml")


def test_anchors_of_unlike_yaws_or_no_size_are_refused():
    kinds = _stored()["detection"]["head"]["kinds"]
    for changed, told in (({"yaws_rad": [0.0]}, "same number of yaws_rad"), ({"size_m": [1.0, 0.0, 1.0]}, "size_m")):
        with pytest.raises(BadConfig, match=told):
            validated(Manifest, _stored(head={"kind": "anchors", "kinds": [kinds[0], {**kinds[1], **changed}]}), "m")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"features": ("x", "y", "z")}, "features: expected one of"),
        ({"features": ("x", "y", "z", "height")}, "features: expected one of"),
        ({"detection": None}, "required for a detection package"),
        ({"task": "segmentation"}, "required for a detection package"),
    ],
)
def test_a_detector_has_its_own_features_and_its_own_task(changes, told):
    with pytest.raises(ValueError, match=told):
        tiny_detector_manifest(ANCHORS, **changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"levels": 5}, "levels 5, found 4"),
        ({"features": ("x", "y", "z", "intensity", "time")}, "features 5, found 4"),
        ({"detection": DetectionSpec(most_points=5, most_voxels=9, head=CENTERS, selection=SELECTION)}, "maps .*hm_0"),
        (
            {"grid": GridSpec(kind="cartesian", voxel_size=(0.1, 0.1, 0.2), point_cloud_range=(0, 0, -2, 6.4, 6.4, 4))},
            r"map cells x, y, z \(8, 8, 1\), found \(16, 16, 1\)",
        ),
        (
            {"grid": GridSpec(kind="cylindrical", voxel_size=(1, 1, 1), point_cloud_range=(0, 0, -2, 6.4, 6.4, 4))},
            "expected a usable manifest, found: detector: expected a cartesian grid",
        ),
    ],
)
def test_a_file_that_does_not_fit_its_manifest_is_not_written(changes, told, tmp_path):
    manifest = tiny_detector_manifest(ANCHORS, **changes)
    with pytest.raises(BadModelPackage, match=told):
        write_model_package(tmp_path / "detector", tiny_detector_model(ANCHORS), manifest, "card")
    assert not list(tmp_path.iterdir())


def test_a_segmentation_network_is_no_detector_and_weights_lie_inside(tmp_path):
    model = tiny_detector_model(ANCHORS)
    weight = model.graph.initializer[0]
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(BadModelPackage, match="kept outside"):
        write_model_package(tmp_path / "detector", model, tiny_detector_manifest(ANCHORS), "card")
    assert np.prod(weight.dims) > 0
