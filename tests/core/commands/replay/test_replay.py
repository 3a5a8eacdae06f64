"""Bags through the network to metrics, predictions and report."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.clouds.ego_region import EgoRegion
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.commands.recordings.answers import Answering
from lidar_vl_core.commands.recordings.reading import Reading
from lidar_vl_core.commands.recordings.replay import RESULT_FILES, replay
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadBag, BadLabels, BadRequest
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.tasks.segmenter import Segmenter
from tests.core.commands.replay.random_street import START_NS, clouds, truths
from tests.recordings import recordings
from tests.written.labelled_bags import write_labelled_bag

CLOUD = "sensor_msgs/msg/PointCloud2"


def test_metrics_are_those_of_the_labels_of_all_clouds(street: Path, package: ModelPackage, tmp_path: Path) -> None:
    metrics = replay(street, package, tmp_path / "out", Reading(label_field="class_id", label_table="nuscenes16"))
    segmenter = Segmenter(package)
    expected = ConfusionMatrix(16)
    for cloud, truth in zip(clouds(6), truths(clouds(6)), strict=True):
        expected.add(truth, segmenter.segment(cloud).class_id)
    assert metrics["confusion"] == expected.counts[:, :16].tolist()
    assert metrics["mean_iou"] == expected.mean_iou()
    assert metrics["per_class_iou"] == expected.to_dict(package.classes.names)["per_class_iou"]
    assert (metrics["frames"], metrics["points"], metrics["model"]) == (6, 2400, "tiny")
    assert metrics == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(RESULT_FILES)


def test_latency_has_percentiles_of_the_whole_and_of_each_stage(
    street: Path, package: ModelPackage, tmp_path: Path
) -> None:
    latency = replay(street, package, tmp_path / "out")["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
    assert set(latency["by_stage"]) == {"voxels", "maps", "network", "labels"}
    assert all(set(stage) == {"p50", "p95", "p99"} for stage in latency["by_stage"].values())


def test_without_truth_the_metrics_do_not_speak_of_quality(street: Path, package: ModelPackage, tmp_path: Path) -> None:
    metrics = replay(street, package, tmp_path / "out")
    assert "mean_iou" not in metrics
    assert metrics["frames"] == 6


def test_predictions_hold_one_label_per_input_point_under_the_same_header(
    street: Path, package: ModelPackage, tmp_path: Path
) -> None:
    replay(street, package, tmp_path / "out")
    segmenter = Segmenter(package)
    with open_bag(tmp_path / "out" / "predictions.mcap") as bag:
        assert [(topic.name, topic.count) for topic in bag.topics] == [
            ("/points/segmentation", 6),
            ("/points/segmentation/label_info", 1),
        ]
        for cloud, message in zip(clouds(6), bag.messages(["/points/segmentation"]), strict=True):
            assert message.stamp_ns == cloud.stamp_ns + 5_000_000  # when it was recorded
            labelled = decode(message.message, extra_fields=("class_id", "probability"))
            assert (labelled.stamp_ns, labelled.frame_id) == (cloud.stamp_ns, cloud.frame_id)
            assert_array_equal(labelled.xyz_m, cloud.xyz_m)
            assert_array_equal(labelled.extra["class_id"], segmenter.segment(cloud).class_id)
            assert labelled.extra["class_id"][:2].tolist() == [255, 255]  # NaN, and out of range


def _raw_bag(path: Path, intensities: list[np.ndarray], xyz_m: np.ndarray) -> Path:
    """Clouds of one scene whose intensity is a driver's raw 0..255."""
    seen = [
        PointCloud(xyz_m, raw.astype(np.float32), START_NS + k * 100_000_000, "lidar")
        for k, raw in enumerate(intensities)
    ]
    return write_labelled_bag(path, seen)


def _labelled(out: Path) -> list[PointCloud]:
    with open_bag(out / "predictions.mcap") as bag:
        return [decode(m.message, ("class_id",)) for m in bag.messages(["/points/segmentation"])]


def test_a_reflector_changes_no_other_point_and_the_scale_is_told(package: ModelPackage, tmp_path: Path) -> None:
    xyz_m = clouds(1)[0].xyz_m
    raw = [np.random.default_rng(1).uniform(1, 240, len(xyz_m)) for _ in range(1)] * 3
    raw[1] = np.where(np.arange(len(xyz_m)) == 9, 3000.0, raw[1])
    bag = _raw_bag(tmp_path / "raw.mcap", raw, xyz_m)
    metrics = replay(bag, package, tmp_path / "out")
    assert metrics["intensity"] == {"field": "intensity", "largest": 255.0}
    first, second, third = _labelled(tmp_path / "out")
    assert_array_equal(first.extra["class_id"], third.extra["class_id"])
    assert_array_equal(np.delete(first.intensity, 9), np.delete(second.intensity, 9))
    told = replay(bag, package, tmp_path / "told", Reading(intensity_max=480.0))
    assert told["intensity"] == {"field": "intensity", "largest": 480.0}
    assert _labelled(tmp_path / "told")[0].intensity.max() < 0.51


def test_points_without_a_return_and_on_the_own_vehicle_are_written_unlabelled_and_not_judged(
    package: ModelPackage, tmp_path: Path
) -> None:
    (cloud,) = clouds(1)
    cloud.xyz_m[50:150] = 0.0
    near = np.linalg.norm(cloud.xyz_m, axis=1) <= 5.0
    bag = write_labelled_bag(tmp_path / "lost.mcap", [cloud], [np.full(len(cloud), 3, np.uint8)])
    asked = Reading(label_field="class_id", label_table="nuscenes16")
    plain = replay(bag, package, tmp_path / "out", asked)
    assert (plain["points"], plain["labelled_points"], plain["points_without_return"]) == (400, 299, 101)
    ego = replay(bag, package, tmp_path / "ego", asked, Answering(ego=EgoRegion(radius_m=5.0)))
    assert ego["labelled_points"] == 299 - (near[:50].sum() + near[150:].sum()) < 299
    (written,) = _labelled(tmp_path / "ego")
    assert_array_equal(written.xyz_m, cloud.xyz_m)
    assert set(written.extra["class_id"][near]) == {255}


def test_bad_clouds_are_skipped_counted_and_named(package: ModelPackage, tmp_path: Path) -> None:
    made = clouds(5)
    bag = write_labelled_bag(tmp_path / "hurt.mcap", made, truths(made), bad=(0, 3))
    metrics = replay(bag, package, tmp_path / "out", Reading(label_field="class_id", label_table="nuscenes16"))
    assert metrics["frames"] == 3
    assert [skipped["index"] for skipped in metrics["skipped"]] == [0, 3]
    assert all("row_step" in skipped["reason"] for skipped in metrics["skipped"])
    assert "row_step" in (tmp_path / "out" / "report.html").read_text()


def test_a_bag_of_empty_clouds_gives_empty_answers(package: ModelPackage, tmp_path: Path) -> None:
    made = clouds(2, points=2)
    empty = [PointCloud(c.xyz_m[:0], c.intensity[:0], c.stamp_ns, c.frame_id) for c in made]
    bag = write_labelled_bag(tmp_path / "empty.mcap", empty, [np.zeros(0, np.uint8)] * 2)
    metrics = replay(bag, package, tmp_path / "out", Reading(label_field="class_id", label_table="nuscenes16"))
    assert (metrics["frames"], metrics["points"], metrics["mean_iou"]) == (2, 0, None)


def test_a_second_replay_replaces_the_result_where_it_may_and_nothing_else(
    street: Path, package: ModelPackage, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    replay(street, package, out)
    (out / "report.html").write_text("old")
    with pytest.raises(BadRequest, match=r"holds results of 20\d\d-.*Give --overwrite"):
        replay(street, package, out)
    replay(street, package, out, overwrite=True)
    assert "old" not in (out / "report.html").read_text()[:10]
    (out / "thesis.tex").write_text("precious")
    with pytest.raises(BadRequest, match=r"thesis\.tex"):
        replay(street, package, out, overwrite=True)
    assert (out / "thesis.tex").read_text() == "precious"


def test_what_goes_wrong_leaves_nothing_behind(street: Path, package: ModelPackage, tmp_path: Path) -> None:
    made = clouds(2)
    unreadable = write_labelled_bag(tmp_path / "unreadable.mcap", made, truths(made), bad=(0, 1))
    wrong = write_labelled_bag(tmp_path / "wrong.mcap", made, [np.full(len(cloud), 77, np.uint8) for cloud in made])
    before = sorted(tmp_path.iterdir())

    def interrupted(frames, _count):
        yield next(frames)
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(BadBag, match="readable clouds"):
        replay(unreadable, package, out)
    with pytest.raises(BadLabels, match=r"cloud 0, field class_id.*77"):
        replay(wrong, package, out, Reading(label_field="class_id", label_table="nuscenes16"))
    with pytest.raises(BadRequest, match="intensity"):
        replay(street, package, out, Reading(label_field="nothing", label_table="nuscenes16"))
    with pytest.raises(BadLabels, match="semantic_kitti"):
        replay(street, package, out, Reading(label_field="class_id", label_table="cityscapes"))
    with pytest.raises(BadRequest, match="--label-table"):
        replay(street, package, out, Reading(label_field="class_id"))
    with pytest.raises(KeyboardInterrupt):
        replay(street, package, out, progress=interrupted)
    assert sorted(tmp_path.iterdir()) == before


def test_a_failed_replay_leaves_an_earlier_result_as_it_was(
    street: Path, package: ModelPackage, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    replay(street, package, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(BadRequest, match="label field"):
        replay(street, package, out, Reading(label_field="nothing", label_table="nuscenes16"), overwrite=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("bag", recordings("bags/*_mcap", "bags/*_db3_raw"))
def test_bags_of_a_street_are_replayed_with_camera_pictures(package: ModelPackage, tmp_path: Path, bag: Path) -> None:
    metrics = replay(bag, package, tmp_path / "out")
    assert metrics["skipped"] == []
    assert metrics["warnings"] == []
    assert "data:image/jpeg" in (tmp_path / "out" / "report.html").read_text()
