"""Evaluation of frames, and the page about them."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.report_page.markdown import markdown
from lidar_vl_core.commands.report_page.report import report
from lidar_vl_core.drawing.charts import bar, confusion_table, histogram, line_per_frame
from lidar_vl_core.evaluation.evaluation import Evaluation, LabelledFrame, latency_summary
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadLabels
from lidar_vl_core.geometry.rigid_transform import RigidTransform

NUSCENES_16 = class_table("nuscenes16")

RUN = {
    "model": "tiny",
    "engine": "fused",
    "bag": "street.mcap",
    "latency_is": "inside the segmenter",
    "warnings": [],
    "skipped": [],
    "provenance": {"command": "lidar-vl replay street.mcap", "lidar_vl": "0.1.0"},
}


class WellFormed(HTMLParser):
    """Fails on tags that are not closed, and on anything that would be fetched."""

    VOID = frozenset({"meta", "img", "input", "line", "rect", "polyline", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open_tags: list[str] = []

    def handle_starttag(self, tag, attributes) -> None:
        for name, value in attributes:
            if name in ("src", "srcset", "data"):
                assert value.startswith("data:image/"), value[:60]
            assert not name.startswith("on"), f"script in <{tag} {name}>"
        assert tag not in ("link", "iframe", "object")
        assert tag != "script" or dict(attributes).get("id", "").startswith("view-"), "a script that is not the view's"
        if tag not in self.VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag) -> None:
        if tag not in self.VOID:
            assert self.open_tags.pop() == tag


def check_page(html: str) -> None:
    page = WellFormed()
    page.feed(html)
    page.close()
    assert page.open_tags == []
    assert not re.search(r"url\(|@import", html)
    assert not re.search(r"(src|href)=[\"']?(https?:|//)", html)


def frame(
    index: int, truth: np.ndarray | None, prediction: np.ndarray, views=(), total_ms: float = 10.0
) -> LabelledFrame:
    xyz_m = np.random.default_rng(index).uniform(-30, 30, (len(prediction), 3)).astype(np.float32)
    cloud = PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 1_000_000_000 + index, "lidar")
    timing_ms = {"voxels": 1.0, "network": 8.0, "total": total_ms}
    return LabelledFrame(index, cloud, prediction.astype(np.uint8), truth, views, timing_ms)


def with_right(share: float, index: int, points: int = 100) -> LabelledFrame:
    truth = np.full(points, 3, np.uint8)
    prediction = np.where(np.arange(points) < share * points, 3, 4)
    return frame(index, truth, prediction)


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


@given(st.text(alphabet=st.sampled_from('#*`|-[]()<>&" \nab1.http://\\'), max_size=200))
def test_any_card_becomes_well_formed_html(text: str) -> None:
    page = WellFormed()
    page.feed(f"<div>{markdown(text)}</div>")
    assert page.open_tags == []


def test_a_card_keeps_its_headings_lists_tables_and_code() -> None:
    card = "# Demo\n\nA *small* **net** for `CPUs`,\nsee [paper](https://example.org/a).\n\n- one\n  more\n- two\n\n1. first\n\n| a | b |\n|---|:-:|\n| 1 | 2 |\n\n```\nx < y\n```\n"
    assert re.sub(r"\n(?=<)|(?<=>)\n", "", markdown(card)) == (
        "<h3>Demo</h3>"
        '<p>A <em>small</em> <strong>net</strong> for <code>CPUs</code>,\nsee <a href="https://example.org/a">paper</a>.</p>'
        "<ul><li>one\nmore</li><li>two</li></ul><ol><li>first</li></ol>"
        '<table class="plain"><thead><tr><th>a</th><th style="text-align:center">b</th></tr></thead>'
        '<tbody><tr><td>1</td><td style="text-align:center">2</td></tr></tbody></table>'
        "<pre><code>x &lt; y</code></pre>"
    )


@pytest.mark.parametrize(
    "card",
    ["<script>x()</script>", "a <b onclick=x>b</b>", "[a](javascript:x)", "<file:///etc/passwd>", "![a](https://example.org/a.png)"],
)  # fmt: skip
def test_html_images_and_other_addresses_of_a_card_stay_text(card) -> None:
    assert not re.search(r"<(script|b|img)|(href|src)=[\"'](?!https://example)", markdown(card))
    assert "<img" not in markdown(card)


@pytest.mark.parametrize(
    "card", ["[" * 2_000, "> " * 2_000 + "a", "**a " * 2_000, "|a" * 300 + "\n" + "|-" * 300, "[" * 900_000]
)
def test_a_card_made_to_take_long_is_rendered_all_the_same(card) -> None:
    page = WellFormed()
    page.feed(f"<div>{markdown(card)}</div>")
    assert page.open_tags == []


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_every_value_stands_in_the_histogram(values) -> None:
    svg = histogram(values, {"p50": float(np.median(values))}, "ms")
    check_page(svg)
    counts = [int(text) for text in re.findall(r"<title>(\d+) from", svg)]
    assert sum(counts) == len(values)


def test_charts_of_nothing_are_nothing() -> None:
    assert histogram([], {}, "ms") == ""
    assert line_per_frame([], "x", 1.0) == ""
    assert line_per_frame([None, 1.0], "x", 1.0) == ""
    assert "width:100.0%" in bar(7.0, "red")


def test_the_confusion_table_leaves_out_classes_that_do_not_occur() -> None:
    counts = np.zeros((3, 4), int)
    counts[0] = (75, 0, 20, 5)
    html = confusion_table(counts.tolist(), ["car", "bus", "truck"], ["car", "bus", "truck", "no_answer"])
    check_page(html)
    assert html.count("<tr>") == 2
    assert "bus" not in html
    assert re.findall(r">(\d+)</td>", html) == ["75", "20", "5"]
