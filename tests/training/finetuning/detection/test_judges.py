"""A detector's boxes by the numbers of each benchmark: the truth gets all of them, nothing gets none, and the table says so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table
from offline_training.datasets.base.box_source import BoxSource
from offline_training.datasets.box_sources import open_boxes
from offline_training.datasets.data_sources import DataSource, data_source
from offline_training.finetuning.detection.detection_table import detection_table
from offline_training.finetuning.detection.judges import judge_of
from offline_training.finetuning.detection.quality import DetectionMeasurement, SourceQuality
from tests.training.finetuning.detection.parking import Parking
from tests.written.box_data_sets import (
    KITTI_CAR,
    KITTI_DONT_CARE,
    nuscenes_annotation,
    write_kitti_object,
    write_nuscenes_boxes,
)

RANGE_M = (-60.0, -60.0, -5.0, 60.0, 60.0, 3.0)
PANDASET = {"kind": "pandaset", "folder": "unused"}


def judged(source: DataSource, dataset: BoxSource, find: object) -> SourceQuality:
    judge = judge_of(source, dataset, RANGE_M)
    for index in range(len(dataset)):
        sample = dataset[index]
        found = find(sample.boxes)
        score = np.full(len(found), 1.0 - index / len(dataset), np.float32)
        judge.add(index, sample, replace(found, score=score, frame_id=sample.cloud.frame_id))
    return judge.quality()


def everything(truth: Boxes3d) -> Boxes3d:
    return replace(truth.taken(truth.class_id != IGNORE_ID), frame_id="")


def nothing(truth: Boxes3d) -> Boxes3d:
    return replace(truth.taken(np.zeros(len(truth), bool)), frame_id="")


def kitti(folder: Path) -> tuple[DataSource, BoxSource]:
    """So many cars that every one of the benchmark's 40 recalls is reached."""
    scans = [f"{number:06d}" for number in range(41)]
    write_kitti_object(folder, {scan: [KITTI_CAR, KITTI_DONT_CARE] for scan in scans}, {"val": scans})
    source = data_source({"kind": "kitti_object", "folder": str(folder), "split": "val"}, "test")
    return source, open_boxes(source, class_table("kitti3"))


def nuscenes(folder: Path) -> tuple[DataSource, BoxSource]:
    """A parked car, a bicycle in a rack, and a car beyond the 50 metres that are judged."""
    things = {
        "car": "vehicle.car",
        "bicycle": "vehicle.bicycle",
        "rack": "static_object.bicycle_rack",
        "far": "vehicle.car",
    }
    places = {
        "car": (115.0, 2.0, 1.0),
        "bicycle": (120.0, -4.0, 1.0),
        "rack": (120.0, -4.0, 1.0),
        "far": (165.0, 2.0, 1.0),
    }
    rows = [
        nuscenes_annotation(f"{name}{n}", f"key-{n}", name, place, attribute_tokens=["p"] if name == "car" else [])
        for n in range(3)
        for name, place in places.items()
    ]
    write_nuscenes_boxes(folder, things, rows)
    (folder / "v1.0-mini" / "attribute.json").write_text('[{"token": "p", "name": "vehicle.parked"}]')
    source = data_source({"kind": "nuscenes", "folder": str(folder), "version": "v1.0-mini"}, "test")
    return source, open_boxes(source, class_table("nuscenes10"))


def test_kitti_is_judged_by_kittis_numbers(tmp_path):
    source, dataset = kitti(tmp_path)
    quality = judged(source, dataset, everything)
    assert (quality.benchmark, quality.class_scores["Car"], quality.score) == ("kitti", 1.0, 1.0)
    assert quality.metrics["classes"]["Car"]["bev"]["moderate"]["ap_r11"] == pytest.approx(1.0)
    assert judged(source, dataset, nothing).score == 0.0
    turned = judged(source, dataset, lambda truth: replace(everything(truth), boxes=truth.boxes + np.eye(7)[2] * 2.0))
    assert turned.metrics["classes"]["Car"]["3d"]["moderate"]["ap_r40"] == 0.0  # two metres too high


def test_nuscenes_is_judged_by_nuscenes_numbers(tmp_path):
    source, dataset = nuscenes(tmp_path)
    quality = judged(source, dataset, everything)
    assert (quality.benchmark, quality.class_scores["car"]) == ("nuscenes", pytest.approx(1.0))
    assert quality.metrics["mean_ap"] == pytest.approx(
        0.1
    )  # nine classes have no truth, and AP 0, as the benchmark has it
    assert quality.score == quality.metrics["nds"]
    car = quality.metrics["classes"]["car"]
    assert car["truth"] == 3
    assert car["errors"] == pytest.approx(dict.fromkeys(car["errors"], 0.0), abs=1e-6)  # a car that stands is parked
    assert quality.metrics["classes"]["bicycle"]["truth"] == 0  # it stands in the rack


def test_other_data_are_judged_by_centre_distance_in_the_detectors_range():
    source, dataset = data_source(PANDASET, "test"), Parking("nuscenes10")
    quality = judged(source, dataset, everything)
    assert (quality.benchmark, quality.score) == ("centre_distance", pytest.approx(1.0))
    assert quality.metrics["classes"]["car"]["truth"] == 8
    assert np.isnan(quality.class_scores["bus"])
    near = judge_of(source, dataset, (-60.0, -60.0, -5.0, 0.0, 60.0, 3.0))
    near.add(0, dataset[0], replace(everything(dataset.boxes(0)), frame_id=dataset[0].cloud.frame_id))
    assert near.quality().metrics["classes"]["car"]["truth"] == 1  # the other one stands ahead


def test_the_table_has_a_part_for_every_benchmark(tmp_path):
    parts = [
        judged(*kitti(tmp_path / "kitti"), everything),
        judged(*nuscenes(tmp_path / "nuscenes"), everything),
        judged(data_source(PANDASET, "test"), Parking("nuscenes10"), everything),
    ]
    measured = DetectionMeasurement(tuple(parts))
    lines = {line.split("  ")[0]: line for line in detection_table(measured.to_dict()).splitlines()}
    assert lines["Car 3d"].endswith("100.0 / 100.0 / 100.0")
    assert lines["mean 3d moderate"].endswith("100.0")
    assert lines["NDS"].endswith(f"{100 * parts[1].score:.1f}")
    assert "100.0 of 8" in detection_table(measured.to_dict())
    assert "- of 0" in detection_table(measured.to_dict())
    assert set(measured.curves()) >= {"validation/score", "validation/0 kitti_object kitti"}
    (figure,) = measured.pictures().values()
    assert len(figure.axes) == 3
