"""Judges the stamps of clouds: in order, late, repeated, or from a clock that was set."""

from collections.abc import Callable
from enum import Enum, auto

from lidar_vl_core.cameras.synchronisation.camera_queue import NEVER_NS

_LATE_IN_A_ROW = 3  # so many clouds that go back a little are a short recording that loops, not late messages


class Verdict(Enum):
    """The judgement on the stamp of a cloud."""

    IN_ORDER = auto()
    AHEAD = auto()  # of the steady clock: the clouds' clock was set, nothing was silent
    RESTART = auto()  # of the clouds' clock, at an earlier time
    UNSTAMPED = auto()
    LATE = auto()  # for a time that has been given out
    DUPLICATE = auto()

    @property
    def is_refusal(self) -> bool:
        """Whether the cloud cannot be paired."""
        return self in (Verdict.UNSTAMPED, Verdict.LATE, Verdict.DUPLICATE)


class CloudClock:
    """The clouds' clock against the steady one."""

    def __init__(self, loop_jump_ns: int) -> None:
        """loop_jump_ns: stamps that go back further are of a restarted clock, not of a late message."""
        self._loop_jump_ns = loop_jump_ns
        self._newest_ns = NEVER_NS  # latest stamp, and when it came
        self._newest_arrival_ns = NEVER_NS
        self._given_out_ns = NEVER_NS  # stamp of the last cloud given out
        self._late_in_a_row = 0

    @property
    def has_begun(self) -> bool:
        """Whether a cloud was ever taken."""
        return self._newest_arrival_ns != NEVER_NS

    def judge(self, stamp_ns: int, now_ns: int, waits: Callable[[int], bool]) -> Verdict:
        """waits: whether a cloud of a stamp waits already."""
        if stamp_ns <= 0:
            return Verdict.UNSTAMPED
        if stamp_ns < self._newest_ns - self._loop_jump_ns:
            return Verdict.RESTART
        if stamp_ns <= self._given_out_ns:
            return self._judge_again(stamp_ns)
        if stamp_ns <= self._newest_ns and waits(stamp_ns):
            return Verdict.DUPLICATE
        return Verdict.AHEAD if self._is_ahead(stamp_ns, now_ns) else Verdict.IN_ORDER

    def take(self, stamp_ns: int, now_ns: int) -> None:
        """A cloud was taken."""
        self._late_in_a_row = 0
        if stamp_ns > self._newest_ns:
            self._newest_ns, self._newest_arrival_ns = stamp_ns, now_ns

    def give_out(self, stamp_ns: int) -> None:
        """A cloud was given out."""
        self._given_out_ns = stamp_ns

    def forget(self) -> None:
        """Start again: the clock was set."""
        self._newest_ns = self._given_out_ns = NEVER_NS
        self._late_in_a_row = 0

    def _judge_again(self, stamp_ns: int) -> Verdict:
        """Of a time that has been given out."""
        self._late_in_a_row += 1
        if self._late_in_a_row >= _LATE_IN_A_ROW and stamp_ns != self._newest_ns:
            return Verdict.RESTART
        return Verdict.DUPLICATE if stamp_ns == self._given_out_ns else Verdict.LATE

    def _is_ahead(self, stamp_ns: int, now_ns: int) -> bool:
        if self._newest_ns == NEVER_NS:
            return False
        return stamp_ns - self._newest_ns - (now_ns - self._newest_arrival_ns) > self._loop_jump_ns
