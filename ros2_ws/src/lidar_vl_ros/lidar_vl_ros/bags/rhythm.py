"""Playback order: messages and ticks of the simulated clock, sorted by time. No ROS here."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from lidar_vl_core.foundation.stamps import sec_and_nanosec

T = TypeVar("T")


@dataclass(frozen=True)
class Beat(Generic[T]):
    """An event due at a time of the recording: a message, or a tick of the clock."""

    time_ns: int
    message: T | None = None


def beats(stamped: Iterable[tuple[int, T]], clock_hz: float) -> Iterator[Beat[T]]:
    """Messages in their order, with clock ticks between them: one just before the first message, then `clock_hz` a second.

    stamped: (time_ns, message). A message stamped before its predecessor is due at once. clock_hz 0: no ticks.
    """
    period_ns = round(1e9 / clock_hz) if clock_hz else 0
    now_ns, next_tick_ns = None, None
    for time_ns, message in stamped:
        now_ns = time_ns if now_ns is None else max(now_ns, time_ns)
        if period_ns:
            next_tick_ns = now_ns if next_tick_ns is None else next_tick_ns
            while next_tick_ns <= now_ns:
                yield Beat(next_tick_ns)
                next_tick_ns += period_ns
        yield Beat(now_ns, message)


def restamped(cdr: bytes, now_ns: int) -> bytes:
    """Replace the stamp in the bytes of a message that begins with a header; plain CDR only, as ROS 2 writes it."""
    return cdr[:4] + struct.pack("<iI" if cdr[1] & 1 else ">iI", *sec_and_nanosec(now_ns)) + cdr[12:]
