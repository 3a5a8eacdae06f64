"""Stamps as integer nanoseconds, and as messages and people write them."""

from typing import Protocol

NS_PER_S = 1_000_000_000
JUMP_NS = NS_PER_S  # stamps of one sender that go back further are of a clock that was set, not of late messages


class Stamp(Protocol):
    """A builtin_interfaces/Time of any library."""

    sec: int
    nanosec: int


def stamp_ns(stamp: Stamp) -> int:
    """A message's stamp in nanoseconds."""
    return stamp.sec * NS_PER_S + stamp.nanosec


def sec_and_nanosec(stamp_ns: int) -> tuple[int, int]:
    """The two numbers of a message's stamp; nanosec is never negative."""
    return divmod(stamp_ns, NS_PER_S)


def nanoseconds(seconds: float) -> int:
    """Seconds rounded to integer nanoseconds."""
    return round(seconds * 1e9)
