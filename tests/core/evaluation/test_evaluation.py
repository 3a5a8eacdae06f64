"""Evaluation of frames: what is counted, which frames are shown, how long they took."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.evaluation.evaluation import Evaluation, LabelledFrame, latency_summary
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadLabels
from tests.core.evaluation.labelled_frames import NUSCENES_16, frame, with_right


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 15), st.sampled_from([*range(16), IGNORE_ID])), min_size=1), min_size=1)
)
def test_the_mean_iou_is_that_of_all_points_of_all_frames_together(frames) -> None:
    evaluation = Evaluation(NUSCENES_16, len(frames))
    for index, points in enumerate(frames):
        truth, prediction = np.array(points, np.uint8).T
        evaluation.add(frame(index, truth, prediction))
    everything = np.concatenate([np.array(points, np.uint8) for points in frames])
    pooled = ConfusionMatrix(16)
    pooled.add(everything[:, 0], everything[:, 1])
    metrics = evaluation.metrics()
    assert metrics["mean_iou"] == pooled.mean_iou()
    assert metrics["frames"] == len(frames)
    assert metrics["points"] == metrics["labelled_points"] == len(everything)
    assert np.asarray(metrics["confusion"]).shape == (16, 16)
    json.dumps(metrics, allow_nan=False)


def test_without_truth_there_is_no_quality_in_the_metrics() -> None:
    evaluation = Evaluation(NUSCENES_16, 1)
    evaluation.add(frame(0, None, np.array([3, 255])))
    metrics = evaluation.metrics()
    assert metrics.keys().isdisjoint({"mean_iou", "per_class_iou", "confusion"})
    assert metrics["predicted_points_per_class"]["car"] == 1
    assert metrics["predicted_points_per_class"]["no_answer"] == 1


def test_beams_that_met_nothing_are_neither_judged_nor_counted_for_a_class() -> None:
    evaluation = Evaluation(NUSCENES_16, 1)
    xyz_m = np.array([[1, 0, 0], [0, 0, -0.0], [np.nan, 1, 1], [1, -1, 0]], np.float32)
    cloud = PointCloud(xyz_m, np.zeros(4, np.float32), 1, "lidar")
    evaluation.add(LabelledFrame(0, cloud, np.array([3, 255, 255, 255], np.uint8), np.array([3, 3, 4, 5], np.uint8)))
    metrics = evaluation.metrics()
    assert (metrics["points"], metrics["labelled_points"], metrics["points_without_return"]) == (4, 2, 2)
    assert metrics["predicted_points_per_class"]["no_answer"] == 1
    assert metrics["accuracy"] == 0.5


def test_labels_of_another_cloud_are_refused() -> None:
    cloud = PointCloud(np.ones((4, 3), np.float32), np.zeros(4, np.float32), 1, "lidar")
    for prediction, truth in ((3, 4), (4, 3)):
        labelled = LabelledFrame(0, cloud, np.zeros(prediction, np.uint8), np.zeros(truth, np.uint8))
        with pytest.raises(BadLabels, match="expected 4 class ids, one per point, found 3"):
            Evaluation(NUSCENES_16, 1).add(labelled)


def test_the_shown_frames_are_first_middle_best_and_worst_in_order() -> None:
    evaluation = Evaluation(NUSCENES_16, 6)
    for index, share in enumerate([0.5, 0.9, 0.6, 0.5, 0.1, 0.7]):
        evaluation.add(with_right(share, index))
    assert [caption.partition(",")[0] for caption, _ in evaluation.shown()] == [
        "Frame 0: first",
        "Frame 1: best",
        "Frame 3: middle",
        "Frame 4: worst",
    ]


def test_a_frame_in_which_nothing_was_right_is_the_worst_whatever_came_before() -> None:
    evaluation = Evaluation(NUSCENES_16, 3)
    for index, share in enumerate([0.0, 0.5, 0.0]):
        evaluation.add(with_right(share, index))
    assert [caption for caption, _ in evaluation.shown()] == [
        "Frame 0: first and worst, mean IoU 0.000",
        "Frame 1: middle and best, mean IoU 0.500",
    ]


def test_the_middle_of_a_bag_that_ends_early_is_its_last_frame() -> None:
    evaluation = Evaluation(NUSCENES_16, 100)
    for index in range(3):
        evaluation.add(frame(index, None, np.array([1])))
    assert [caption for caption, _ in evaluation.shown()] == ["Frame 0: first", "Frame 2: last"]


def test_percentiles_are_those_of_numpy_and_null_where_nothing_was_measured() -> None:
    values = [5.0, 1.0, 9.0, 30.0]
    summary = latency_summary({"total": values, "network": [2.0]})
    assert_allclose([summary["p50"], summary["p95"], summary["p99"]], np.percentile(values, [50, 95, 99]), atol=1e-3)
    assert summary["by_stage"] == {"network": {"p50": 2.0, "p95": 2.0, "p99": 2.0}}
    assert latency_summary({}) == {"p50": None, "p95": None, "p99": None, "by_stage": {}}
