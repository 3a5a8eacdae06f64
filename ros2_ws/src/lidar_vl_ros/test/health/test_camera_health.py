"""What the diagnostics say of a camera, from what pairing tells of it."""

from dataclasses import replace

import pytest
from lidar_vl_ros.health.camera_health import CameraHealth, told_in_a_line
from lidar_vl_ros.health.health import ERROR, OK, WARN

from lidar_vl_core.cameras.synchronisation.camera_rhythm import CameraState

QUIET = CameraState(
    received=0,
    unstamped=0,
    paired=0,
    missed=0,
    late=0,
    silences=0,
    jumps=0,
    silent_s=None,
    is_waited_for=True,
    period_s=None,
)
WELL = replace(QUIET, received=30, paired=10, period_s=0.0333)


@pytest.mark.parametrize(
    ("state", "level", "words"),
    [
        (QUIET, OK, "no clouds to pair"),
        (WELL, OK, "10 of 10 clouds got an image"),
        (replace(WELL, received=5, paired=5, missed=5), OK, "5 of 10 clouds got an image"),
        (replace(WELL, received=0, paired=0, missed=10), OK, "0 of 10 clouds"),  # slower than the reports
        (replace(WELL, paired=0, missed=10), WARN, "none of 10 clouds matched any of 30 images: check offset_s"),
        (replace(WELL, silent_s=3.2, silences=1), WARN, "silent: no image on /front for 3 s"),
        (replace(WELL, unstamped=30, paired=0, missed=10), WARN, "30 images without a stamp"),
        (replace(WELL, is_waited_for=False), WARN, "late: clouds no longer wait for it"),
    ],
)
def test_the_verdict_follows_from_how_it_keeps_step(state, level, words):
    report = CameraHealth(required=False).report(state, "/front", "")
    assert report.level == level
    assert words in report.message
    worse = CameraHealth(required=True).report(state, "/front", "")
    assert worse.level == (ERROR if level == WARN else OK)


def test_images_that_cannot_be_used_are_a_warning_until_a_report_without_them():
    health = CameraHealth(required=False)
    health.count("undecodable", "not a JPEG")
    health.count("unplaced", "no transform to front")
    report = health.report(WELL, "/front", "")
    assert (report.level, report.message) == (
        WARN,
        "since the last report: 1 undecodable, 1 unplaced: no transform to front",
    )
    assert health.report(replace(WELL, received=60, paired=20), "/front", "").level == OK


def test_a_camera_info_that_is_missing_is_named_once_images_come():
    health = CameraHealth(required=False)
    assert health.report(QUIET, "/front", "/front_info").level == OK
    report = health.report(WELL, "/front", "/front_info")
    assert (report.level, report.message) == (
        WARN,
        "no usable camera_info on /front_info: its images cannot be placed",
    )


def test_every_counter_is_told():
    health = CameraHealth(required=False)
    health.count("undecodable", "not a JPEG")
    state = replace(WELL, missed=2, late=3, silences=4, jumps=5)
    values = health.report(state, "/front", "").values
    told = {
        "received": 30,
        "paired": 10,
        "missed": 2,
        "late": 3,
        "silent": 4,
        "jumps": 5,
        "unstamped": 0,
        "undecodable": 1,
        "unplaced": 0,
        "static_chain": 0,
    }
    assert values == {"topic": "/front", "period_ms": "33.3", **{name: str(number) for name, number in told.items()}}
    assert told_in_a_line(health.values(state)).startswith("30 received, 10 paired, 2 missed, 3 late, 4 silent")
