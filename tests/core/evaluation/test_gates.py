"""Limits on the figures of a replay."""

import pytest

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.evaluation.gates import gate_of, missed, require_measurable
from lidar_vl_core.foundation.errors import BadRequest

METRICS = {
    "mean_iou": 0.55,
    "accuracy": 0.9,
    "latency_ms": {"p50": 20.0, "p95": 81.0, "p99": None},
    "per_class_iou": {"car": 0.8, "bus": None},
    "box_quality": {"mean_ap": 0.2, "classes": {"car": {"ap": 0.7}}},
    "skipped": [{}, {}],
}


@pytest.mark.parametrize("floor", ["mean_iou=0.55", "iou.car=0.8", "ap.car=0.7", "mean_ap = 0.1", "skipped_clouds=2"])
def test_a_limit_that_is_just_reached_holds(floor: str) -> None:
    assert missed([gate_of(floor, is_floor=True)], METRICS) == []
    assert missed([gate_of("skipped_clouds=2", is_floor=False)], METRICS) == []


def test_a_missed_limit_is_told_with_both_numbers() -> None:
    gates = [gate_of("mean_iou=0.6", is_floor=True), gate_of("p95_ms=80", is_floor=False)]
    assert missed(gates, METRICS) == [
        "mean_iou: expected at least 0.6, found 0.55",
        "p95_ms: expected at most 80, found 81",
    ]


@pytest.mark.parametrize("figure", ["iou.bus=0", "p99_ms=0", "ap.bus=0"])
@pytest.mark.parametrize("is_floor", [True, False])
def test_a_figure_without_anything_to_measure_it_on_never_holds(figure: str, is_floor: bool) -> None:
    (line,) = missed([gate_of(figure, is_floor)], METRICS)
    assert "found no data to measure it on" in line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mean_iou",
        "mean_iou=",
        "mean_iou=sixty",
        "mean_iou=60",
        "mean_iou=nan",
        "p95_ms=-1",
        "p95_ms=inf",
        "miou=0.6",
        "iou=0.5",
        "iou.=0.5",
        "ap.car=1e9",
    ],
)
def test_a_limit_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="expected"):
        gate_of(text, is_floor=True)


def test_a_figure_with_another_name_is_told_its_own() -> None:
    with pytest.raises(BadRequest, match=r"found 'miou'\. Did you mean mean_iou\?"):
        gate_of("miou=0.6", is_floor=True)


@pytest.mark.parametrize(
    ("text", "has_labels", "has_boxes", "to_do"),
    [
        ("mean_iou=0.5", False, True, "--label-field"),
        ("iou.car=0.5", False, False, "--label-field"),
        ("mean_ap=0.5", True, False, "--box-topic"),
        ("iou.cart=0.5", True, False, "found 'cart'. Did you mean car?"),
    ],
)
def test_what_a_replay_will_not_measure_is_refused_before_the_work(
    text: str, has_labels: bool, has_boxes: bool, to_do: str
) -> None:
    with pytest.raises(BadRequest, match=to_do):
        require_measurable([gate_of(text, is_floor=True)], class_table("nuscenes16"), has_labels, has_boxes)
