"""Every received cloud has one outcome, and the verdict follows from what happened since the last report."""

from hypothesis import given
from hypothesis import strategies as st
from lidar_vl_ros.health.health import ERROR, OK, OUTCOMES, WARN, Health

_S = 1_000_000_000


def _served(health: Health, count: int, now_ns: int = 0) -> None:
    for _ in range(count):
        health.received(now_ns)
        health.served({"total": 20.0}, 30.0)


def _started(max_processing_ms: float = 100.0) -> Health:
    health = Health()
    health.started(0, 2 * _S, max_processing_ms)
    return health


@given(st.lists(st.sampled_from(("received", *OUTCOMES)), max_size=50))
def test_what_has_no_outcome_yet_is_waiting(events):
    health = Health()
    for event in events:
        health.received(0) if event == "received" else health.count(event)
    counts = health.counts()
    assert counts["waiting"] == counts["received"] - sum(counts[name] for name in OUTCOMES)
    assert all(counts[name] == events.count(name) for name in OUTCOMES)


def test_serving_well_is_ok_and_names_its_figures():
    health = _started()
    _served(health, 10)
    report = health.report(_S, "active")
    assert (report.level, report.message) == (OK, "serving")
    assert report.values["served"] == "10"
    assert report.values["processing_ms_p95"] == "20.0"
    assert report.values["latency_ms_p50"] == "30.0"


def test_replaced_clouds_are_a_warning_until_a_report_without_them():
    health = _started()
    _served(health, 3)
    health.received(0)
    health.count("replaced")
    assert health.report(_S, "active").level == WARN
    _served(health, 3, _S)
    assert health.report(2 * _S, "active").level == OK


def test_only_failures_and_no_answer_is_an_error_with_its_cause():
    health = _started()
    health.received(0)
    health.count("bad", problem="point_step: expected 16, found 0")
    report = health.report(_S, "active")
    assert report.level == ERROR
    assert "1 bad" in report.message
    assert report.values["last_problem"] == "point_step: expected 16, found 0"


def test_silence_is_an_error_only_while_active_and_only_after_the_timeout():
    health = _started()
    assert health.report(2 * _S, "active").level == OK
    assert health.report(4 * _S, "active").message == "no input for 4 s"
    assert health.report(4 * _S, "inactive").level == WARN


def test_slow_processing_is_a_warning():
    health = _started(max_processing_ms=10.0)
    _served(health, 3)
    report = health.report(_S, "active")
    assert (report.level, report.message) == (WARN, "processing takes 20 ms, more than 10 ms")


def test_a_refused_configuration_is_an_error_while_unconfigured():
    health = Health()
    health.count("refused", problem="no such model")
    assert health.report(_S, "unconfigured").level == ERROR


def test_each_kind_is_logged_once_in_five_seconds():
    health = Health()
    assert [health.may_log("bad", second * _S) for second in (0, 1, 4, 5, 6, 10)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    assert health.may_log("failed", 1 * _S)
