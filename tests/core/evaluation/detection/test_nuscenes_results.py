"""The results file of nuScenes: what is written is what its evaluator reads, and what it would refuse is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.detection.nuscenes import NuscenesDetection
from lidar_vl_core.evaluation.detection.nuscenes_frame import ATTRIBUTES
from lidar_vl_core.evaluation.detection.nuscenes_results import (
    SampleResult,
    default_attributes,
    frames_with_results,
    read_nuscenes_results,
    write_nuscenes_results,
)
from lidar_vl_core.foundation.errors import BadBoxes, BadLabels
from tests.core.evaluation.detection.nuscenes_cases import CLASSES, nuscenes_case

CAR = Boxes3d.of([1.0, 2.0, 3.0, 4.0, 2.0, 1.5, 0.5], [0], [0.25], [[3.0, 0.0]], "map")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = {
        f"sample{k}": SampleResult(replace(frame.found, frame_id="map"), frame.found_attribute)
        for k, frame in enumerate(nuscenes_case("plain", 0))
    }
    write_nuscenes_results(tmp_path / "results.json", written, CLASSES)
    read = read_nuscenes_results(tmp_path / "results.json", CLASSES)
    assert read.keys() == written.keys()
    for token, result in read.items():
        before = written[token].boxes
        np.testing.assert_allclose(result.boxes.boxes[:, :6], before.boxes[:, :6])
        np.testing.assert_allclose(np.cos(result.boxes.boxes[:, 6] - before.boxes[:, 6]), 1.0)
        np.testing.assert_array_equal(result.boxes.velocity_mps, np.nan_to_num(before.velocity_mps))
        np.testing.assert_array_equal(result.boxes.score, before.score)
        np.testing.assert_array_equal(result.boxes.class_id, before.class_id)
        assert result.attribute == written[token].attribute


def test_a_results_file_has_the_scores_of_the_predictions_it_was_made_of(tmp_path: Path) -> None:
    frames = {
        f"sample{k}": replace(
            frame, truth=replace(frame.truth, frame_id="map"), found=replace(frame.found, frame_id="map")
        )
        for k, frame in enumerate(nuscenes_case("ties", 1))
    }
    results = {token: SampleResult(frame.found, frame.found_attribute) for token, frame in frames.items()}
    write_nuscenes_results(tmp_path / "results.json", results, CLASSES)
    read = read_nuscenes_results(tmp_path / "results.json", CLASSES)
    direct, from_file = NuscenesDetection(CLASSES), NuscenesDetection(CLASSES)
    for frame, again in zip(frames.values(), frames_with_results(frames, read), strict=True):
        direct.add(frame)
        from_file.add(again)
    assert from_file.scores().mean_ap == direct.scores().mean_ap > 0.05
    del read["sample3"]
    with pytest.raises(BadBoxes, match="expected predictions for every frame, found none for sample3"):
        frames_with_results(frames, read)


def test_the_file_has_the_keys_of_the_benchmark(tmp_path: Path) -> None:
    boxes = Boxes3d.of(CAR.boxes[[0, 0]], [0, 255], [0.25, 0.5], frame_id="map")
    results = {"a": SampleResult(boxes, ("vehicle.moving", "")), "b": SampleResult(CAR.taken(np.zeros(0, int)), ())}
    write_nuscenes_results(tmp_path / "results.json", results, CLASSES, ("use_lidar", "use_map"))
    told = json.loads((tmp_path / "results.json").read_text())
    assert told["meta"] == {
        "use_camera": False,
        "use_lidar": True,
        "use_radar": False,
        "use_map": True,
        "use_external": False,
    }
    assert told["results"]["b"] == []
    (car,) = told["results"]["a"]
    assert car == {
        "sample_token": "a",
        "translation": [1.0, 2.0, 3.0],
        "size": [2.0, 4.0, 1.5],  # width first
        "rotation": [np.cos(0.25), 0.0, 0.0, np.sin(0.25)],
        "velocity": [0.0, 0.0],  # not known
        "detection_name": "car",
        "detection_score": 0.25,
        "attribute_name": "vehicle.moving",
    }


def test_the_default_attribute_goes_by_speed_and_is_one_of_the_class() -> None:
    boxes = np.tile(CAR.boxes, (10, 1))
    fast = default_attributes(Boxes3d.of(boxes, np.arange(10), velocity_mps=np.full((10, 2), 0.3)), CLASSES)
    slow = default_attributes(Boxes3d.of(boxes, np.arange(10), velocity_mps=np.full((10, 2), 0.1)), CLASSES)
    assert fast[:6] == ("vehicle.moving",) * 5 + ("pedestrian.moving",)
    assert fast[6:] == ("cycle.with_rider", "cycle.with_rider", "", "")
    assert slow[:6] == ("vehicle.parked",) * 5 + ("pedestrian.standing",)
    assert slow[6:] == ("cycle.without_rider", "cycle.without_rider", "", "")
    assert default_attributes(Boxes3d.of(boxes, np.arange(10)), CLASSES) == slow  # no velocity known
    for name, of_fast, of_slow in zip(CLASSES.names, fast, slow, strict=True):
        assert {of_fast, of_slow} <= {*ATTRIBUTES[name], *([""] if not ATTRIBUTES[name] else [])}


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (SampleResult(replace(CAR, frame_id="lidar_top"), ("",)), "expected boxes in nuScenes' global frame"),
        (SampleResult(CAR.taken(np.zeros(501, int)), ("",) * 501), "at most 500 boxes"),
        (SampleResult(CAR, ()), "expected 1 attributes, found 0"),
        (SampleResult(CAR, ("pedestrian.moving",)), "expected for a car one of vehicle.moving"),
        (SampleResult(replace(CAR, boxes=CAR.boxes * [[1, 1, 1, 1, 0, 1, 1]]), ("",)), "expected sizes > 0"),
        (SampleResult(replace(CAR, score=np.array([1.5], np.float32)), ("",)), "score: expected 0 to 1"),
        (SampleResult(replace(CAR, class_id=np.array([10], np.uint8)), ("",)), "class_id: expected 0 to 9"),
    ],
)
def test_what_the_evaluator_would_refuse_is_not_written(tmp_path: Path, result: SampleResult, told: str) -> None:
    with pytest.raises(BadBoxes, match=told):
        write_nuscenes_results(tmp_path / "results.json", {"a": result}, CLASSES)
    assert not (tmp_path / "results.json").exists()


def test_unknown_classes_and_modalities_are_not_written(tmp_path: Path) -> None:
    own = ClassTable("own", ("car", "van"), np.zeros((2, 3), np.uint8))
    with pytest.raises(BadLabels, match="found van"):
        write_nuscenes_results(tmp_path / "results.json", {}, own)
    with pytest.raises(BadBoxes, match="found use_sonar"):
        write_nuscenes_results(tmp_path / "results.json", {}, CLASSES, ["use_sonar"])


ROW = {
    "sample_token": "a",
    "translation": [1.0, 2.0, 3.0],
    "size": [2.0, 4.0, 1.5],
    "rotation": [1.0, 0.0, 0.0, 0.0],
    "velocity": [0.0, 0.0],
    "detection_name": "car",
    "detection_score": 0.25,
    "attribute_name": "",
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sample_token": "b"}, "expected boxes of this sample, found sample_token 'b'"),
        ({"detection_name": "cars"}, "found 'cars'. Did you mean car?"),
        ({"attribute_name": "vehicle.parking"}, "Did you mean vehicle.parked?"),
        ({"attribute_name": None}, "attribute_name: expected text"),
        ({"size": [1, 2]}, "size: expected 3 numbers"),
        ({"size": [-1, 2, 3]}, "expected sizes >= 0"),
        ({"translation": [1, 2, float("nan")]}, "expected finite numbers"),
        ({"rotation": [0, 0, 0, 0]}, "rotation: expected a quaternion"),
        ({"detection_score": "high"}, "detection_score: expected 1 numbers"),
        ({"detection_score": 1.5}, "score: expected 0 to 1, found 1.5"),
        ({"velocity": None}, "velocity: expected 2 numbers"),
    ],
)
def test_a_row_that_is_none_is_refused_with_its_sample(tmp_path: Path, change: dict, told: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"meta": {}, "results": {"a": [ROW | change]}}))
    with pytest.raises((BadBoxes, BadLabels), match=told) as caught:
        read_nuscenes_results(path, CLASSES)
    assert "results.json: sample a: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[]", '{"results": []}', '{"results": {"a": 1}}', '{"results": {"a": [1]}}'])
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(BadLabels, match=r"results\.json"):
        read_nuscenes_results(tmp_path / "results.json", CLASSES)
