"""Ages of clouds, of which those below zero are none, and the times of each cloud on their topics."""

from types import SimpleNamespace

import pytest
from builtin_interfaces.msg import Time
from lidar_vl_ros.inputs.cloud_age import CloudAge
from lidar_vl_ros.messages.time_message import time_message
from lidar_vl_ros.outputs import stage_times
from lidar_vl_ros.outputs.stage_times import StageTimes
from std_msgs.msg import Header

_MS = 1_000_000
NOW_NS = 1_700_000_000_000_000_000


class Told:
    """What a reporter is told."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, str]] = []

    def problem(self, what, text):
        self.problems.append((what, text))

    lasting_problem = problem


def _age(now_ns=NOW_NS):
    told = Told()
    clock = SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=now_ns))
    return CloudAge(SimpleNamespace(get_clock=lambda: clock), told), told


def _stamped(age_ms):
    return Header(stamp=time_message(NOW_NS - round(age_ms * _MS)))


@pytest.mark.parametrize(("age_ms", "known"), [(55.0, 55.0), (0.0, 0.0), (-5.0, None), (-500.0, None)])
def test_an_age_below_zero_is_not_known(age_ms, known):
    assert _age()[0].known_ms(_stamped(age_ms)) == known


def test_without_a_clock_or_a_stamp_there_is_no_age_and_nothing_is_refused():
    for age, header in ((_age(now_ns=0)[0], _stamped(5.0)), (_age()[0], Header())):
        assert age.known_ms(header) is None
        assert not age.refuses(header, 1.0)


@pytest.mark.parametrize(
    ("age_ms", "most_ms", "refused", "told"),
    [
        (50.0, 100.0, False, []),
        (150.0, 100.0, True, ["stale"]),
        (150.0, 0.0, False, []),
        (-5.0, 100.0, False, []),  # two clocks never agree to the last
        (-50.0, 100.0, False, ["ahead"]),
        (-50.0, 0.0, False, ["ahead"]),
        (-150.0, 100.0, True, ["ahead", "stale"]),
    ],
)
def test_clouds_too_old_or_as_far_ahead_are_refused_and_those_ahead_are_told(age_ms, most_ms, refused, told):
    age, reporter = _age()
    assert age.refuses(_stamped(age_ms), most_ms) == refused
    assert [what for what, _ in reporter.problems] == told


@pytest.fixture
def published(monkeypatch):
    """Messages by topic, without a node."""
    published = {}
    monkeypatch.setattr(stage_times, "offer", lambda node, topic, kind: topic)
    monkeypatch.setattr(stage_times, "publish", lambda node, topic, message: published.update({topic: message}))
    return published


@pytest.mark.parametrize("installed", ["autoware_internal_debug_msgs", "tier4_debug_msgs"])
def test_where_autoware_s_message_is_installed_times_are_told_with_the_cloud_s_stamp(published, monkeypatch, installed):
    found = {f"{installed}/msg/Float64Stamped": SimpleNamespace}  # any type with keywords stands in
    monkeypatch.setattr(stage_times, "message_class", found.get)
    StageTimes(None, ["network"]).publish(Header(stamp=Time(sec=3)), {"network": 5.0, "unknown": 1.0}, 7.0)
    assert {topic: message.data for topic, message in published.items()} == {
        "~/debug/network_ms": 5.0,
        "~/debug/stamped/network_ms": 5.0,
        "~/debug/pipeline_latency_ms": 7.0,
        "~/debug/stamped/pipeline_latency_ms": 7.0,
    }
    assert published["~/debug/stamped/network_ms"].stamp.sec == 3


def test_elsewhere_times_have_no_stamp_and_an_unknown_latency_is_not_told(published):
    StageTimes(None, ["network"]).publish(Header(), {"network": 5.0}, None)
    assert list(published) == ["~/debug/network_ms"]
