"""The page about a recording: whole in itself, closed against text from outside."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.report_page.report import report
from lidar_vl_core.evaluation.evaluation import Evaluation, LabelledFrame
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from tests.core.commands.report_page.page_check import check_page
from tests.core.evaluation.labelled_frames import NUSCENES_16, frame, with_right

RUN = {
    "model": "tiny",
    "engine": "fused",
    "bag": "street.mcap",
    "latency_is": "inside the segmenter",
    "warnings": [],
    "skipped": [],
    "provenance": {"command": "lidar-vl replay street.mcap", "lidar_vl": "0.1.0"},
}


def boxes_at(*x_m: float, score: float = 0.9) -> Boxes3d:
    """Cars ahead."""
    rows = np.array([[x, 0.0, 0.0, 4.0, 2.0, 1.5, 0.0] for x in x_m]).reshape(-1, 7)
    return Boxes3d.of(rows, np.zeros(len(x_m)), np.full(len(x_m), score), frame_id="lidar")


def test_boxes_beside_labels_are_counted_and_drawn_by_their_own_classes() -> None:
    nuscenes_10 = class_table("nuscenes10")
    evaluation = Evaluation(NUSCENES_16, 2, nuscenes_10)
    for index, found in enumerate((boxes_at(10.0, 20.0), boxes_at(10.1, 40.0, score=0.8))):
        labelled = replace(with_right(0.5, index), boxes=found, true_boxes=boxes_at(10.0, 20.0))
        evaluation.add(labelled)
    metrics = evaluation.metrics()
    assert metrics["boxes_per_class"]["car"] == 4
    assert metrics["predicted_points_per_class"]["car"] == 100  # of labels, which are not of the boxes
    assert metrics["box_quality"]["classes"]["car"]["truth"] == 4
    told = evaluation.shown(), evaluation.viewed(), NUSCENES_16, "", nuscenes_10
    html = report("Demo", metrics | RUN | {"box_topic": "/boxes"}, *told)
    check_page(html)
    assert "<h2>Boxes against the truth</h2>" in html
    assert f"{100 * metrics['box_quality']['mean_ap']:.1f} %" in html
    assert "boxes found" not in html
    del metrics["box_quality"]
    html = report("Demo", metrics | RUN, *told)
    assert ">boxes found</th>" in html
    assert "points in them" not in html
    assert html.count('alt="colours of the boxes"') == html.count("<h2>Frame ") == 2
    json.dumps(metrics, allow_nan=False)


def _view() -> CameraView:
    camera = CameraModel(64, 48, np.array([[32.0, 0, 32], [0, 32, 24], [0, 0, 1]]))
    T_cam_lidar = RigidTransform(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), np.zeros(3))
    return CameraView("front", camera, T_cam_lidar, 0, lambda: np.zeros((48, 64, 3), np.uint8))


@pytest.mark.parametrize("has_truth", [True, False], ids=["with truth", "without truth"])
@pytest.mark.parametrize("has_views", [True, False], ids=["with cameras", "clouds only"])
def test_the_page_needs_no_other_file_and_closes_its_tags(has_truth: bool, has_views: bool) -> None:
    evaluation = Evaluation(NUSCENES_16, 3)
    for index in range(3):
        prediction = np.array([3, 4, 255, 15])
        truth = np.array([3, 3, 4, 255], np.uint8) if has_truth else None
        evaluation.add(frame(index, truth, prediction, (_view(),) if has_views else (), 10.0 + index))
    html = report(
        "Replay", evaluation.metrics() | RUN, evaluation.shown(), evaluation.viewed(), NUSCENES_16, "# Card\n\nText."
    )
    check_page(html)
    assert ("mean IoU" in html) == has_truth
    assert html.count("data:image/jpeg") == (len(evaluation.shown()) if has_views else 0)


@pytest.mark.parametrize(
    ("scale", "told"),
    [
        ({"field": "reflectivity", "largest": 255.0}, "reflectivity</strong><small>255 becomes 1"),
        ({"field": None, "largest": 1.0}, "none</strong><small>0 everywhere"),
    ],
)
def test_the_scale_of_the_intensity_is_told(scale, told) -> None:
    evaluation = Evaluation(NUSCENES_16, 1)
    cloud = PointCloud(np.ones((4, 3), np.float32), np.zeros(4, np.float32), 0, "lidar")
    evaluation.add(LabelledFrame(0, cloud, np.zeros(4, np.uint8)))
    page = report("Title", {**evaluation.metrics(), **RUN, "intensity": scale}, [], [], NUSCENES_16, "")
    assert told in page


def test_the_page_of_one_empty_cloud_is_whole() -> None:
    evaluation = Evaluation(NUSCENES_16, 1)
    evaluation.add(frame(0, np.zeros(0, np.uint8), np.zeros(0)))
    check_page(report("Replay", evaluation.metrics() | RUN, evaluation.shown(), evaluation.viewed(), NUSCENES_16, ""))


def test_text_from_outside_is_shown_and_not_run() -> None:
    evaluation = Evaluation(NUSCENES_16, 1)
    evaluation.add(frame(0, None, np.array([3])))
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    run = RUN | {
        "model": attack,
        "bag": attack,
        "warnings": [attack],
        "skipped": [{"index": 3, "stamp_ns": 1, "reason": attack}],
        "provenance": {attack: attack},
    }
    check_page(report(attack, evaluation.metrics() | run, evaluation.shown(), evaluation.viewed(), NUSCENES_16, attack))


def test_names_of_a_million_characters_are_cut() -> None:
    long = "name" * 250_000
    evaluation = Evaluation(NUSCENES_16, 1)
    labelled = frame(0, None, np.array([3]))
    evaluation.add(replace(labelled, cloud=replace(labelled.cloud, frame_id=long)))
    run = RUN | {"model": long, "bag": long, "warnings": [long], "provenance": {"command": long}}
    run["skipped"] = [{"index": 3, "stamp_ns": 1, "reason": long}]
    told = evaluation.metrics() | run
    page = report(long, told, evaluation.shown(), evaluation.viewed(), NUSCENES_16, "")
    assert max(map(len, re.findall(r"(?:name)+", page))) <= 1_500


def test_a_browser_may_run_the_views_two_scripts_and_fetch_nothing() -> None:
    evaluation = Evaluation(NUSCENES_16, 1)
    evaluation.add(frame(0, None, np.array([3])))
    page = report("Replay", evaluation.metrics() | RUN, evaluation.shown(), evaluation.viewed(), NUSCENES_16, "")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    told = unescape(policy[1])
    assert told.startswith("default-src 'none'; script-src 'sha256-")
    assert page.index(policy[0]) < page.index("<style")
    code = re.search(r'<script id="view-code">(.*?)</script>', page, re.DOTALL)
    assert code is not None
    assert base64.b64encode(hashlib.sha256(code[1].encode()).digest()).decode() in told
    assert "'unsafe-inline'" not in told.split("script-src")[1].split(";")[0]
