"""FramePairer, rule by rule. Stamps and arrivals are written in milliseconds; a payload is its own stamp."""

import math

import pytest

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.synchronisation.frame_pairer import FramePairer
from lidar_vl_core.foundation.errors import BadConfig, BadRequest
from tests.core.cameras.fed_pairer import START, Feed


def test_a_cloud_goes_out_as_soon_as_the_nearest_image_is_known():
    feed = Feed("a")
    feed.image("a", 80)
    assert feed.cloud(100) == []  # an image at 110 would be nearer
    assert feed.image("a", 115) == [(100, {"a": 115})]


def test_an_image_at_exactly_the_wanted_time_is_waited_for_no_longer():
    feed = Feed("a")
    feed.image("a", 100, now=105)
    assert feed.cloud(100, now=110) == [(100, {"a": 100})]


def test_without_cameras_every_cloud_goes_out_at_once():
    assert Feed().cloud(100) == [(100, {})]


def test_of_two_equally_near_images_the_earlier_is_taken():
    feed = Feed("a")
    feed.image("a", 90)
    feed.cloud(100)
    assert feed.image("a", 110) == [(100, {"a": 90})]


def test_one_image_serves_several_clouds():
    feed = Feed("a")
    feed.image("a", 100)
    feed.cloud(100)
    feed.cloud(120)
    assert feed.image("a", 160) == [(120, {"a": 100})]


def test_an_image_belongs_to_the_cloud_plus_the_cameras_own_offset():
    feed = Feed(CameraTiming("a", offset_s=-0.16), CameraTiming("b", offset_s=0.04))
    feed.image("a", 940)
    feed.image("a", 1000)
    feed.image("b", 1000)
    feed.cloud(1100)
    assert feed.image("b", 1140) == [(1100, {"a": 940, "b": 1140})]


def test_the_tolerance_is_each_cameras_own_and_includes_its_edge():
    feed = Feed(CameraTiming("near", max_time_difference_s=0.01), CameraTiming("far", max_time_difference_s=0.04))
    feed.image("near", 89)
    feed.image("far", 60)
    feed.image("near", 130)
    feed.cloud(100)
    assert feed.image("far", 190) == [(100, {"far": 60})]
    assert feed.frames[0].missing == ("near",)


def test_a_cloud_waits_for_its_images_no_longer_than_allowed_on_the_steady_clock():
    feed = Feed("a", "b", max_wait_s=0.1)
    feed.image("a", 100)
    feed.cloud(100, now=100)
    assert feed.poll(199) == []
    assert feed.poll(200) == [(100, {"a": 100})]
    assert feed.frames[0].missing == ("b",)
    assert feed.pairer.counters.incomplete == 1


def test_any_message_reminds_of_an_overdue_cloud():
    feed = Feed("a", "b")
    feed.cloud(100)
    assert feed.image("a", 130, now=230) == [(100, {"a": 130})]


def test_a_silent_camera_costs_no_waiting_and_is_welcomed_back():
    feed = Feed("a", "b", silent_after_s=0.5)
    for stamp in range(100, 1200, 100):
        feed.image("a", stamp)
        feed.cloud(stamp)
    feed.image("a", 1200)
    assert feed.cloud(1200) == [(1200, {"a": 1200})]
    feed.image("b", 1210)
    feed.image("a", 1300)
    assert feed.cloud(1300) == []
    assert feed.image("b", 1301) == [(1300, {"a": 1300, "b": 1301})]


def test_an_overdue_cloud_takes_the_earlier_ones_with_it():
    feed = Feed("a", max_wait_s=0.1)
    feed.cloud(200, now=200)
    feed.cloud(100, now=290)
    assert feed.poll(300) == [(100, {}), (200, {})]


def test_no_queue_grows_beyond_its_length():
    feed = Feed("a", "b", queue_length=5, max_wait_s=1000, silent_after_s=1000)
    clouds = []
    for stamp in range(10, 1000, 10):
        feed.image("a", stamp)
        assert feed.held() <= 5 + 5
        clouds += [int(cloud) for cloud, _ in feed.cloud(stamp + 1)]
    assert clouds == [stamp + 1 for stamp in range(10, 950, 10)]


def test_images_alone_are_kept_for_a_bounded_time():
    feed = Feed("a", queue_length=5)
    for stamp in range(10, 1000, 10):
        feed.image("a", stamp)
    assert feed.held() == 5
    assert feed.pairer.counters.dropped == 94


def test_an_unknown_camera_is_refused_by_name():
    with pytest.raises(BadRequest, match="'rear'"):
        FramePairer([CameraTiming("front")]).add_image("rear", START, None, START)


@pytest.mark.parametrize(
    ("cameras", "settings", "word"),
    [
        ([CameraTiming("a"), CameraTiming("a")], {}, "once"),
        ([], {"max_wait_s": -1.0}, "max_wait_s"),
        ([], {"max_wait_s": math.inf}, "max_wait_s"),
        ([], {"loop_jump_s": -1.0}, "loop_jump_s"),
        ([], {"silent_after_s": math.nan}, "silent_after_s"),
        ([], {"queue_length": 0}, "queue_length"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(cameras, settings, word):
    with pytest.raises(BadConfig, match=word):
        FramePairer(cameras, **settings)


@pytest.mark.parametrize(("setting", "value"), [("max_time_difference_s", -0.1), ("offset_s", math.nan)])
def test_a_timing_that_cannot_be_is_refused_by_the_cameras_name(setting, value):
    with pytest.raises(BadConfig, match=f"rear.{setting}: expected seconds"):
        CameraTiming("rear", **{setting: value})
