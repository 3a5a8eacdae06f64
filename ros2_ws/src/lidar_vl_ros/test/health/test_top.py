"""`lidar-vl top` shows what the nodes tell of themselves in their latched summaries."""

import json
from functools import partial

import numpy as np
import pytest
from lidar_vl_ros.health.health import ERROR, OK, WARN, Report
from lidar_vl_ros.health.summary import Summary, read_summary, summary_text
from lidar_vl_ros.health.top_text import top_text
from lidar_vl_ros.messages.qos import LATCHED
from lidar_vl_ros.segmentation_node import SegmentationNode
from lidar_vl_ros.top import SummaryListener
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String

from lidar_vl_core.foundation.errors import BadRequest

NODE = "segmentation_node"
PARTS = ["input", "transport", "processing", "cameras", "tf", "memory", "segmentation"]


def _summary(node: str = "/front/node", level: int = OK) -> Summary:
    reports = {
        "input": Report(OK, "10 clouds since the last report", {"received_per_s": "10.0"}),
        "processing": Report(level, "serving", {"state": "active", "served_per_s": "9.8", "processing_ms_p50": "32.1"}),
        "memory": Report(OK, "612 MB used", {"rss_mb": "612"}),
        "segmentation": Report(
            OK,
            "fine",
            {"confidence_drift": "-0.012", "histogram_drift": "0.03", "share road": "0.6", "share car": "0.4"},
        ),
    }
    return Summary(node, reports)


def test_a_summary_is_read_as_it_was_written_and_has_the_worst_level():
    summary = _summary(level=WARN)
    text = summary_text(summary.node, summary.reports)
    assert read_summary(text) == summary
    assert json.loads(text)["level"] == "WARN"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"node": 1, "status": {"input": {}}}', '{"node": "/a", "status": []}']
)
def test_another_text_is_no_summary(text):
    with pytest.raises(BadRequest, match="expected the JSON text that a node publishes"):
        read_summary(text)


def test_each_node_has_a_headline_its_parts_and_its_classes():
    lines = top_text([(_summary("/b"), 0.5), (_summary("/a"), 0.5)], 200, colours=False).splitlines()
    assert lines[0] == "/a  active, 10.0 clouds/s in, 9.8 out, 32.1 ms each, 612 MB"
    assert lines[2] == "  OK    processing    serving"
    assert lines[5].split() == ["road", "60", "%,", "car", "40", "%"]
    assert lines[6].strip() == "against the last five minutes: mean probability -0.012, 3 % in other classes"
    assert [line for line in lines if line.startswith("/")] == [lines[0], lines[0].replace("/a", "/b")]


def test_a_node_that_is_gone_is_said_to_be_and_no_line_is_wider_than_the_terminal():
    assert "/front/node: silent for 12 s" in top_text([(_summary(), 12.0)], 100, colours=False)
    text = top_text([(_summary(level=ERROR), 0.0)], 20, colours=False)
    assert max(len(line) for line in text.splitlines()) == 20
    assert "no node of lidar_vl_ros found" in top_text([], 80, colours=True)


def test_what_to_do_about_trouble_is_wrapped_and_not_cut_off():
    remedy = "5 of 9 clouds lost before this node had them: give the sender the package's Fast DDS profile"
    text = top_text([(Summary("/a", {"transport": Report(WARN, remedy, {})}), 0.0)], 60, colours=False)
    assert max(len(line) for line in text.splitlines()) <= 60
    assert " ".join(text.split()).endswith(remedy)
    coloured = top_text([(Summary("/a", {"transport": Report(WARN, remedy, {})}), 0.0)], 60, colours=True)
    assert [line for line in coloured.splitlines() if line and not line.endswith("\x1b[0m")] == []


def test_control_characters_of_a_summary_do_not_reach_the_terminal():
    evil = Summary("/a", {"input": Report(OK, "\x1b[2Jgone", {"share \x1b[2J": "1.0", "confidence": "1"})})
    assert "\x1b" not in top_text([(evil, 0.0)], 100, colours=False)


def test_one_who_comes_late_hears_the_latched_summary_of_a_node(graph, fake_segmenter, make_cloud, until):
    graph.start(partial(SegmentationNode, lambda settings: fake_segmenter))
    clouds = graph.probe.create_publisher(PointCloud2, f"/{NODE}/input/pointcloud", 10)
    graph.subscribe(PointCloud2, f"/{NODE}/output/pointcloud/segmentation", lambda message: None, 10)
    until(lambda: clouds.get_subscription_count() == 1, "the node")
    stamps = iter(range(1, 10**9))
    other = graph.probe.create_publisher(String, "/other/summary", LATCHED)
    listener = graph.start(SummaryListener)

    def told():
        clouds.publish(make_cloud(np.ones((4, 3)), stamp_ns=next(stamps)))
        other.publish(String(data="fine, thank you"))
        return [each for each, _ in listener.heard() if "share barrier" in each.reports["segmentation"].values]

    summary = until(told, "the summary")[0]
    assert (summary.node, list(summary.reports)) == (f"/{NODE}", PARTS)
    assert summary.reports["cameras"].message == "none: LiDAR only"
    assert summary.reports["transport"].values["publishers"] == "1"
    assert float(summary.reports["memory"].values["rss_mb"]) > 10
    assert len(listener.heard()) == 1
