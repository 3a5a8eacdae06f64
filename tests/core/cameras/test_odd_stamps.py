"""Stamps out of order, twice, missing or wild, and clocks that jump: what FramePairer counts and forgets. In milliseconds."""

import pytest

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.synchronisation.frame_pairer import FramePairer
from tests.core.cameras.fed_pairer import MS, START, Feed


def test_images_out_of_order_are_sorted_in():
    feed = Feed("a")
    feed.image("a", 60)
    feed.image("a", 140, now=141)
    feed.image("a", 95, now=142)
    assert feed.cloud(100, now=143) == [(100, {"a": 95})]


def test_clouds_out_of_order_go_out_in_order():
    feed = Feed("a")
    feed.cloud(200, now=210)
    feed.cloud(100, now=220)
    feed.image("a", 100, now=230)
    assert feed.image("a", 200, now=240) == [(200, {"a": 200})]
    assert [frame.cloud for frame in feed.frames] == [100, 200]


def test_a_cloud_for_a_time_that_went_out_is_counted_and_never_goes_out():
    feed = Feed()
    feed.cloud(200)
    assert feed.cloud(150, now=210) == []
    assert feed.pairer.counters.late == 1


def test_double_stamps_are_counted_and_the_first_is_kept():
    feed = Feed("a")
    feed.image("a", 100)
    feed.image("a", 100)
    feed.cloud(110)
    feed.cloud(110)
    feed.image("a", 120)
    feed.cloud(110)
    assert [frame.cloud for frame in feed.frames] == [110]
    assert feed.pairer.counters.duplicate == 3


def test_an_image_that_comes_after_its_time_went_out_is_counted_late():
    feed = Feed("a")
    feed.cloud(500)
    feed.poll(700)
    feed.image("a", 440, now=701)
    assert feed.pairer.counters.late == 1
    assert feed.held() == 0


@pytest.mark.parametrize("stamp_ns", [0, -5])
def test_messages_without_a_stamp_are_counted_and_left_out(stamp_ns):
    pairer = FramePairer([CameraTiming("a")])
    assert pairer.add_image("a", stamp_ns, None, START) == []
    assert pairer.add_cloud(stamp_ns, None, START) == []
    assert pairer.counters.dropped == 2
    assert pairer.poll(START + 10_000 * MS) == []


def test_what_waits_when_the_clock_goes_back_goes_out_first():
    feed = Feed("a")
    feed.image("a", 99_990)
    feed.cloud(100_000)
    assert feed.cloud(10, now=100_010) == [(100_000, {"a": 99_990})]
    assert feed.image("a", 11, now=100_011) == [(10, {"a": 11})]
    assert feed.pairer.counters.jumps == 1


def test_images_of_the_new_time_that_came_before_its_first_cloud_are_used():
    feed = Feed("a", "b")
    for name in "ab":
        feed.image(name, 100_000)
    feed.cloud(100_000)
    feed.image("a", 10, now=100_010)
    feed.cloud(12, now=100_012)
    feed.image("a", 40, now=100_040)
    assert feed.image("b", 30, now=100_041) == [(12, {"a": 10, "b": 30})]


def test_an_image_of_the_old_time_is_never_paired_with_a_cloud_of_the_new():
    feed = Feed("a", loop_jump_s=0.2)
    feed.image("a", 500)
    feed.cloud(1000)
    feed.image("a", 1000)
    feed.image("a", 1100)
    assert feed.cloud(500, now=1110) == []
    assert feed.poll(1300) == [(500, {})]


def test_a_recording_shorter_than_the_jump_still_goes_on_when_it_loops():
    feed = Feed("a")
    for loop in range(10):
        for stamp in range(100, 700, 100):
            feed.image("a", stamp, now=loop * 600 + stamp)
            feed.cloud(stamp, now=loop * 600 + stamp)
    assert len(feed.frames) >= 10 * 6 * 0.6
    assert sum(not frame.missing for frame in feed.frames) >= 10 * 6 * 0.45
    assert all(frame.images["a"].stamp_ns == frame.stamp_ns for frame in feed.frames if not frame.missing)


def test_a_clock_set_forward_is_counted_once_and_pairing_goes_on():
    feed = Feed("a")
    hour = 3_600_000
    for stamp in (100, 200, 300 + hour, 400 + hour, 500 + hour):
        feed.image("a", stamp, now=stamp % hour)
        feed.cloud(stamp, now=stamp % hour)
    assert [frame.cloud for frame in feed.frames] == [100, 200, 300 + hour, 400 + hour, 500 + hour]
    assert feed.pairer.counters.jumps == 1


def test_a_pause_of_everything_is_no_jump():
    feed = Feed("a")
    feed.cloud(100)
    feed.cloud(60_000)
    assert feed.pairer.counters.jumps == 0


def test_one_wild_image_stamp_costs_only_that_cameras_next_images():
    feed = Feed("a", "b")
    for stamp in range(100, 3000, 100):
        feed.image("a", stamp)
        feed.image("b", 9_000_000 if stamp == 1500 else stamp, now=stamp)
        feed.cloud(stamp)
    complete = [frame for frame in feed.frames if not frame.missing]
    assert len(feed.frames) == 29
    assert len(complete) >= 27
    assert feed.pairer.counters.camera_jumps == 1
    assert feed.pairer.counters.jumps == 0
