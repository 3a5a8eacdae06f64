"""A recording through a detector: boxes and the points in them as predictions, counted, timed and drawn."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.detection_messages import detections_message
from lidar_vl_core.boxes.points_in_boxes import count_points_in_boxes
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.commands.cli import main
from lidar_vl_core.commands.recordings.answers import Answering
from lidar_vl_core.commands.recordings.box_quality_text import box_quality_lines
from lidar_vl_core.commands.recordings.reading import Reading
from lidar_vl_core.commands.recordings.replay import RESULT_FILES, replay
from lidar_vl_core.foundation.errors import BadLabels, BadRequest, BadTransform
from lidar_vl_core.foundation.vision_messages import DETECTIONS_TYPE
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.tasks.detector import Detector
from tests.core.commands.replay.crowded_street import clouds
from tests.core.commands.report_page.page_check import check_page
from tests.written.labelled_bags import labelled, write_labelled_bag
from tests.written.tiny_detectors import GRID, write_tiny_detector

CLOUD = "sensor_msgs/msg/PointCloud2"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return write_tiny_detector(tmp_path_factory.mktemp("packages") / "detector")


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_labelled_bag(tmp_path_factory.mktemp("bags") / "street.mcap", clouds(), later_ns=5)


def test_boxes_and_the_points_in_them_are_counted_written_and_drawn(street, package, tmp_path):
    metrics = replay(street, package, tmp_path / "out", Reading(intensity_max=1.0))
    found = [Detector(package).detect(cloud) for cloud in clouds()]
    ids = np.concatenate([boxes.class_id for boxes in found])
    assert metrics["boxes_per_class"] == {name: int((ids == k).sum()) for k, name in enumerate(package.classes.names)}
    assert metrics["frames"] == 3
    assert metrics["latency_is"] == "from a decoded cloud to its boxes, inside the detector"
    assert set(metrics["latency_ms"]["by_stage"]) == {"voxels", "network", "boxes"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(RESULT_FILES)
    report = (tmp_path / "out" / "report.html").read_text()
    assert ">boxes</th>" in report
    assert "points in them" in report

    with open_bag(tmp_path / "out" / "predictions.mcap") as bag:
        markers = [recorded.message.markers for recorded in bag.messages(["/points/segmentation/boxes"])]
        labelled = [decode(recorded.message, ["class_id"]) for recorded in bag.messages(["/points/segmentation"])]
    for marked, boxes in zip(markers, found, strict=True):
        assert marked[0].action == 3  # forget those before
        assert len(marked) == 1 + 2 * len(boxes)
        for row in (0, len(boxes) - 1):
            edges, text = marked[1 + 2 * row : 3 + 2 * row]
            ends_m = np.array([(p.x, p.y, p.z) for p in edges.points])
            assert edges.header.frame_id == "lidar"
            np.testing.assert_allclose((ends_m.min(axis=0) + ends_m.max(axis=0)) / 2, boxes.boxes[row, :3], atol=1e-6)
            assert text.text == f"{package.classes.names[boxes.class_id[row]]} {boxes.score[row]:.2f}"
    for seen, cloud, boxes in zip(labelled, clouds(), found, strict=True):
        in_a_box = seen.extra["class_id"] != 255
        assert in_a_box.sum() <= count_points_in_boxes(cloud.measured_xyz_m(), boxes.boxes).sum()
        assert in_a_box.any()
    layout = json.loads((tmp_path / "out" / "predictions.foxglove.json").read_text())
    assert "/points/segmentation/boxes" in layout["configById"]["3D!cloud"]["topics"]


def test_clouds_in_which_nothing_is_found_are_replayed_like_others(package, tmp_path):
    seen = [
        replace(cloud, xyz_m=np.full((points, 3), np.nan, np.float32), intensity=np.zeros(points, "f4"))
        for points, cloud in zip((0, 1, 900), clouds(), strict=True)
    ]
    path = write_labelled_bag(tmp_path / "nothing.mcap", seen)
    metrics = replay(path, package, tmp_path / "out")
    assert (metrics["frames"], sum(metrics["boxes_per_class"].values()), metrics["skipped"]) == (3, 0, [])
    with open_bag(tmp_path / "out" / "predictions.mcap") as bag:
        markers = [m.message.markers for m in bag.messages(["/points/segmentation/boxes"])]
    assert [len(each) for each in markers] == [1, 1, 1]  # which removes those of an earlier cloud


def test_what_a_detector_cannot_have_is_refused_before_anything_is_written(street, package, tmp_path, capsys):
    with pytest.raises(BadRequest, match="--ensemble, true labels of points: expected a package that labels points"):
        replay(
            street,
            package,
            tmp_path / "out",
            Reading(label_field="class_id", label_table="nuscenes16"),
            Answering(ensemble=True),
        )
    command = ["replay", str(street), "--model", str(package.path), "--out", str(tmp_path / "out")]
    assert main([*command, "--prompts", "car,tree"]) == 2
    assert "words: expected a package that labels points" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def _with_truth(path: Path, package: ModelPackage, changed=lambda boxes: boxes, frame_id: str = "lidar") -> Path:
    """The street with what the detector finds in it, changed, as the true boxes of its first two clouds."""
    detector = Detector(package)
    with BagWriter(path) as bag:
        for number, cloud in enumerate(clouds()):
            bag.write("/points", CLOUD, cloud.stamp_ns + 5, labelled(cloud))
            if number < 2:
                truth = replace(changed(detector.detect(cloud)), frame_id=frame_id)
                message = detections_message(truth, package.classes, cloud.stamp_ns)
                bag.write("/truth", DETECTIONS_TYPE, cloud.stamp_ns, message)
    return path


def _findable(boxes: Boxes3d, cloud: PointCloud) -> Boxes3d:
    low, high = np.array(GRID.point_cloud_range).reshape(2, 3)
    inside = ((boxes.boxes[:, :3] >= low) & (boxes.boxes[:, :3] <= high)).all(axis=1)
    return boxes.taken(inside & (count_points_in_boxes(cloud.measured_xyz_m(), boxes.boxes) > 0))


def test_boxes_that_are_all_true_have_a_precision_of_one_and_are_drawn_with_the_truth(package, tmp_path, capsys):
    bag, out = _with_truth(tmp_path / "run.mcap", package), tmp_path / "out"
    command = ["replay", str(bag), "--model", str(package.path), "--out", str(out), "--intensity-max", "1"]
    assert main([*command, "--box-topic", "/truth"]) == 0
    said = capsys.readouterr().out
    quality = json.loads((out / "metrics.json").read_text())["box_quality"]
    held = [_findable(Detector(package).detect(cloud), cloud) for cloud in clouds()[:2]]
    truth = np.bincount(np.concatenate([boxes.class_id for boxes in held]), minlength=3)
    assert [each["truth"] for each in quality["classes"].values()] == truth.tolist()
    assert quality["frames"] == 2
    assert sum(ring["found"] for ring in quality["recall_by_distance"]) == truth.sum() > 0
    assert "AP by the distance of centres: mean" in said
    assert "true boxes found within 2 m: 0 to 10 m 100 % of" in said
    assert (
        "warning: 1 of 3 clouds are not judged: /truth has no boxes of their stamps, the nearest are 0.100 s away"
        in said
    )
    page = (out / "report.html").read_text()
    check_page(page)
    for told in ("Boxes against the truth", "Found by distance", "mean AP", "True boxes are black from above"):
        assert told in page


def test_true_boxes_that_nothing_could_show_are_not_expected(package, tmp_path):
    def hidden(boxes: Boxes3d) -> Boxes3d:
        """One in the air, one behind the sensor, where the detector does not look."""
        made = boxes.taken(np.zeros(2, int))
        return replace(made, boxes=made.boxes + np.array([[0, 0, 50, 0, 0, 0, 0], [-40, 0, 0, 99, 99, 99, 0]]))

    metrics = replay(
        _with_truth(tmp_path / "run.mcap", package, hidden), package, tmp_path / "out", Reading(box_topic="/truth")
    )
    quality = metrics["box_quality"]
    assert quality["mean_ap"] is None
    assert not any(each["truth"] for each in quality["classes"].values())
    assert box_quality_lines(quality) == ["boxes compared with the truth: no true box in range contains a point"]
    check_page((tmp_path / "out" / "report.html").read_text())


def test_true_boxes_of_a_frame_that_nobody_tells_of_end_the_replay_and_leave_nothing(package, tmp_path):
    bag = _with_truth(tmp_path / "run.mcap", package, frame_id="map")
    with pytest.raises(
        BadTransform, match=r"topic /truth, stamp \d+ ns, from 'map' to 'lidar': no transform to or from frame 'lidar'"
    ):
        replay(bag, package, tmp_path / "out", Reading(box_topic="/truth"))
    assert [path.name for path in tmp_path.iterdir()] == ["run.mcap"]


def test_true_boxes_are_for_packages_that_find_boxes_and_names_for_a_topic(street, package, tiny_package, tmp_path):
    with pytest.raises(BadRequest, match="true boxes: expected a package that finds boxes"):
        replay(street, load_model_package(tiny_package), tmp_path / "out", Reading(box_topic="/truth"))
    with pytest.raises(BadRequest, match="found only class names"):
        replay(street, package, tmp_path / "out", Reading(box_table="nuscenes16"))
    with pytest.raises(BadRequest, match="topic /points: expected vision_msgs/msg/Detection3DArray"):
        replay(street, package, tmp_path / "out", Reading(box_topic="/points"))
    with pytest.raises(BadLabels, match="no map from the boxes of 'cats'"):
        replay(
            _with_truth(tmp_path / "run.mcap", package),
            package,
            tmp_path / "out",
            Reading(box_topic="/truth", box_table="cats"),
        )
    assert not (tmp_path / "out").exists()


def test_the_command_says_how_many_boxes_it_found(street, package, tmp_path, capsys):
    command = ["replay", str(street), "--model", str(package.path), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert "boxes: " in capsys.readouterr().out
