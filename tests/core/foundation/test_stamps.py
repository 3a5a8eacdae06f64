"""Stamps: a message's two numbers and one number of nanoseconds say the same."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.foundation.stamps import nanoseconds, sec_and_nanosec, stamp_ns


@given(st.integers(-(2**31) * 10**9, 2**31 * 10**9 - 1))
def test_a_stamp_is_the_same_after_a_message(stamp: int) -> None:
    sec, nanosec = sec_and_nanosec(stamp)
    assert 0 <= nanosec < 10**9
    assert stamp_ns(SimpleNamespace(sec=sec, nanosec=nanosec)) == stamp


def test_seconds_become_the_nearest_nanosecond() -> None:
    assert nanoseconds(0.1) == 100_000_000
    assert nanoseconds(-1.0000000006) == -1_000_000_001
