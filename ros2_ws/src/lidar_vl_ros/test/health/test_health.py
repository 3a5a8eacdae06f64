"""Every received cloud has one outcome, and the verdicts follow from what happened since the last report."""

from hypothesis import given
from hypothesis import strategies as st
from lidar_vl_ros.health.health import ERROR, OK, OUTCOMES, WARN, Health, Limits, Report
from lidar_vl_ros.health.verdicts import verdicts

_S = 1_000_000_000


def _served(health: Health, count: int, now_ns: int = 0, took_ms: float = 20.0) -> None:
    for _ in range(count):
        health.received(now_ns)
        health.served({"total": took_ms}, 30.0)


def _started(**limits: float) -> Health:
    health = Health()
    health.started(0, Limits(**limits))
    return health


def _reports(health: Health, now_ns: int = _S, state: str = "active") -> dict[str, Report]:
    return dict(verdicts(health.since_last_report(now_ns, state)))


def _levels(health: Health, now_ns: int = _S, state: str = "active") -> dict[str, int]:
    """Of those that are not OK."""
    return {name: report.level for name, report in _reports(health, now_ns, state).items() if report.level != OK}


@given(st.lists(st.sampled_from(("received", *OUTCOMES)), max_size=50))
def test_what_has_no_outcome_yet_is_waiting(events):
    health = Health()
    for event in events:
        health.received(0) if event == "received" else health.count(event)
    counts = health.counts()
    assert counts["waiting"] == counts["received"] - sum(counts[name] for name in OUTCOMES)
    assert all(counts[name] == events.count(name) for name in OUTCOMES)


def test_serving_well_is_ok_in_every_part_and_names_its_figures():
    health = _started()
    _reports(health, 0)
    _served(health, 10)
    reports = _reports(health)
    assert {report.level for report in reports.values()} == {OK}
    assert list(reports) == ["input", "transport", "processing", "tf"]
    processing = reports["processing"]
    assert processing.message == "serving"
    assert (processing.values["served"], processing.values["served_per_s"]) == ("10", "10.0")
    assert (processing.values["processing_ms_p95"], processing.values["latency_ms_p50"]) == ("20.0", "30.0")
    assert (reports["input"].values["received"], reports["input"].values["received_per_s"]) == ("10", "10.0")


def test_every_counter_stands_in_one_status():
    health = _started()
    told = [name for report in _reports(health).values() for name in report.values]
    counters = health.counts()
    assert sorted(name for name in told if name in counters) == sorted(counters)


def test_replaced_clouds_are_a_warning_until_a_report_without_them():
    health = _started()
    _served(health, 3)
    health.received(0)
    health.count("replaced")
    assert _levels(health) == {"processing": WARN}
    _served(health, 3, _S)
    assert _levels(health, 2 * _S) == {}


def test_only_bad_clouds_and_no_answer_are_an_error_of_the_input_with_its_cause():
    health = _started()
    health.received(0)
    health.count("bad", problem="point_step: expected 16, found 0")
    report = _reports(health)["input"]
    assert (report.level, "1 bad" in report.message) == (ERROR, True)
    assert report.values["last_problem"] == "point_step: expected 16, found 0"
    assert "last_problem" not in _reports(health)["processing"].values


def test_lost_clouds_are_the_transport_s_trouble():
    health = _started()
    _served(health, 10)
    health.count("lost", 3)
    report = _reports(health)["transport"]
    assert (report.level, "3 of 13 clouds lost" in report.message) == (WARN, True)
    _served(health, 1)
    health.count("lost", 5)
    assert _levels(health) == {"transport": ERROR}


def test_silence_is_an_error_only_while_active_and_only_after_the_timeout():
    health = _started()
    assert _levels(health, 2 * _S) == {}
    assert _reports(health, 4 * _S)["input"].message == "no input for 4 s"
    assert _levels(health, 4 * _S, "inactive") == {"processing": WARN}


def test_one_delay_is_a_warning_and_ten_in_a_row_are_an_error_until_one_is_in_time():
    health = _started(max_processing_ms=10.0, max_consecutive_delays=10)
    _served(health, 1)
    _served(health, 3, took_ms=5.0)
    report = _reports(health)["processing"]
    assert (report.level, report.message) == (WARN, "1 of 4 clouds took more than 10 ms")
    _served(health, 9)
    assert _levels(health) == {"processing": WARN}
    _served(health, 1)
    report = _reports(health)["processing"]
    assert (report.level, report.message) == (ERROR, "10 clouds in a row took more than 10 ms")
    _served(health, 1, took_ms=5.0)
    assert _levels(health) == {}


def test_warming_up_is_a_state_and_no_trouble():
    report = _reports(_started(), state="warming up")["processing"]
    assert (report.level, report.values["state"]) == (OK, "warming up")


def test_a_refused_configuration_is_an_error_while_unconfigured():
    health = Health()
    health.count("refused", problem="no such model")
    report = _reports(health, state="unconfigured")["processing"]
    assert (report.level, report.values["last_problem"]) == (ERROR, "no such model")


def test_transforms_that_were_missing_are_a_warning_of_tf():
    health = _started()
    health.count("unjoined", problem="motion of lidar not told")
    report = _reports(health)["tf"]
    assert (report.level, report.message) == (WARN, "since the last report: 1 unjoined")


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
