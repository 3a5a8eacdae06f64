"""The player's order of messages and clock ticks, and its new stamps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lidar_vl_ros.bags.rhythm import beats, restamped

from lidar_vl_core.foundation.message_types import message_types


def test_a_clock_tick_comes_before_the_first_message():
    order = list(beats([(1_000, "a"), (1_000_000_000, "b")], clock_hz=1))
    assert (order[0].time_ns, order[0].message) == (1_000, None)
    assert order[1].message == "a"


@given(st.lists(st.integers(0, 3_000_000_000), min_size=1, max_size=20), st.sampled_from([0.0, 1.0, 7.0, 100.0]))
def test_all_messages_come_in_order_and_time_never_runs_backwards(stamps, clock_hz):
    order = list(beats([(stamp, index) for index, stamp in enumerate(stamps)], clock_hz))
    assert [beat.message for beat in order if beat.message is not None] == list(range(len(stamps)))
    times = [beat.time_ns for beat in order]
    assert times == sorted(times)
    ticks = [beat.time_ns for beat in order if beat.message is None]
    if clock_hz:
        assert len(ticks) == (max(stamps[0], max(stamps)) - stamps[0]) // round(1e9 / clock_hz) + 1
    else:
        assert not ticks


def test_no_message_means_no_clock_either():
    assert list(beats([], clock_hz=100)) == []


@pytest.mark.parametrize("stamp_ns", [0, 1, 1_700_000_000_123_456_789, (1 << 31) * 1_000_000_000 - 1])
def test_restamping_changes_the_stamp_and_nothing_else(stamp_ns):
    types = message_types().types
    stamp = types["builtin_interfaces/msg/Time"](sec=7, nanosec=8)
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="lidar_top")
    before = bytes(message_types().serialize_cdr(header, "std_msgs/msg/Header"))
    after = message_types().deserialize_cdr(restamped(before, stamp_ns), "std_msgs/msg/Header")
    assert after.stamp.sec * 1_000_000_000 + after.stamp.nanosec == stamp_ns
    assert after.frame_id == "lidar_top"
    assert restamped(restamped(before, stamp_ns), 7_000_000_008) == before
