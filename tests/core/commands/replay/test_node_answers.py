"""Answers of a node that were recorded are judged like those of a replay."""

from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.boxes.box_cloud import BOX_FIELDS
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.labelled_message import cloud_message, labelled_message
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import encode
from lidar_vl_core.commands.recordings.reading import Reading
from lidar_vl_core.commands.recordings.replay import replay
from lidar_vl_core.evaluation.node_answers import evaluate_answers, read_answers
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.tasks.segmenter import Segmenter
from tests.core.commands.replay.random_street import START_NS, clouds

CLOUD = "sensor_msgs/msg/PointCloud2"


def test_answers_of_a_node_give_the_same_quality_as_the_replay(
    street: Path, package: ModelPackage, tmp_path: Path
) -> None:
    metrics = replay(street, package, tmp_path / "out", Reading(label_field="class_id", label_table="nuscenes16"))
    answers = read_answers(tmp_path / "out" / "predictions.mcap", "/points/segmentation")
    _, judged = evaluate_answers(street, answers, package.classes, "class_id", "nuscenes16")
    assert judged["confusion"] == metrics["confusion"]
    assert (judged["sent"], judged["drops"]) == (6, 0)


def test_answers_are_matched_by_their_points_whatever_their_stamps_and_missing_ones_are_drops(
    street: Path, package: ModelPackage, tmp_path: Path
) -> None:
    segmenter = Segmenter(package)
    sent_ns = START_NS + 10**15
    with BagWriter(tmp_path / "recorded.mcap") as bag:
        for k, cloud in reversed(list(enumerate(clouds(6)))):
            if k != 2:
                restamped = PointCloud(cloud.xyz_m, cloud.intensity, sent_ns, cloud.frame_id)
                bag.write("/labels", CLOUD, sent_ns + 30_000_000, labelled_message(restamped, segmenter.segment(cloud)))
    answers = read_answers(tmp_path / "recorded.mcap", "/labels")
    _, judged = evaluate_answers(street, answers, package.classes, "class_id", "nuscenes16")
    assert (judged["frames"], judged["drops"]) == (5, 1)
    assert [frame["index"] for frame in judged["per_frame"]] == [0, 1, 3, 4, 5]
    assert judged["latency_ms"]["p99"] == pytest.approx(30.0)


def test_a_cloud_is_answered_when_its_labels_and_its_boxes_came(
    street: Path, package: ModelPackage, tmp_path: Path
) -> None:
    segmenter, box_classes = Segmenter(package), class_table("nuscenes10")
    with BagWriter(tmp_path / "recorded.mcap") as bag:
        for k, cloud in enumerate(clouds(6)):
            bag.write("/labels", CLOUD, cloud.stamp_ns + 30_000_000, labelled_message(cloud, segmenter.segment(cloud)))
            if k != 2:
                columns = {
                    "x": np.arange(k, dtype=np.float32),
                    "y": np.zeros(k, np.float32),
                    "z": np.zeros(k, np.float32),
                }
                columns |= {name: np.ones(k, np.uint8 if name == "class_id" else np.float32) for name in BOX_FIELDS}
                boxes = cloud_message(encode(columns), cloud.stamp_ns, cloud.frame_id)
                bag.write("/boxes", CLOUD, cloud.stamp_ns + 50_000_000, boxes)
    answers = read_answers(tmp_path / "recorded.mcap", "/labels", "/boxes")
    evaluation, judged = evaluate_answers(street, answers, package.classes, "class_id", "nuscenes16", box_classes)
    assert (judged["frames"], judged["sent"], judged["drops"]) == (5, 6, 1)
    assert judged["boxes_per_class"]["truck"] == 0 + 1 + 3 + 4 + 5
    assert judged["latency_ms"]["p50"] == pytest.approx(50.0)  # until the later of both was there
    assert evaluation.box_classes == box_classes
    with pytest.raises(BadBag, match="labelled clouds on /labels with boxes of their stamps on /nothing, found none"):
        read_answers(tmp_path / "recorded.mcap", "/labels", "/nothing")
