"""The images of one camera that may still be paired with a cloud."""

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

from lidar_vl_core.cameras.synchronisation.camera_rhythm import CameraRhythm, CameraState
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.stamps import nanoseconds

NEVER_NS = -(1 << 62)  # before every stamp, with room to add an offset
FAR_NS = 1 << 62  # after every stamp
_GONE_WITHOUT = 32  # clouds that are remembered to have left without an image


@dataclass(frozen=True)
class CameraTiming:
    """When a camera's image belongs to a sweep."""

    name: str
    offset_s: float = 0.0  # expected image stamp minus cloud stamp
    max_time_difference_s: float = 0.05  # farther images, after the offset, are never paired

    def __post_init__(self) -> None:
        require_seconds(f"{self.name}.max_time_difference_s", self.max_time_difference_s)
        if not math.isfinite(self.offset_s):
            raise BadConfig(f"{self.name}.offset_s: expected seconds, found {self.offset_s}.")


class Paired(NamedTuple):
    """An image that belongs to a cloud."""

    stamp_ns: int
    image: Any


class CameraQueue:
    """Images by stamp, and what the camera's stamps and arrivals say about the clouds that wait."""

    __slots__ = (
        "_gone_without",
        "images",
        "jumps",
        "late",
        "missed",
        "name",
        "newest_ns",
        "offset_ns",
        "paired",
        "received",
        "restarted",
        "rhythm",
        "stamps",
        "tolerance_ns",
        "unstamped",
        "useless_before_ns",
        "wanted_ns",
    )

    def __init__(self, timing: CameraTiming, silent_after_ns: int) -> None:
        self.name = timing.name
        self.offset_ns = nanoseconds(timing.offset_s)
        self.tolerance_ns = nanoseconds(timing.max_time_difference_s)
        self.rhythm = CameraRhythm(silent_after_ns)
        self.stamps: list[int] = []
        self.images: list[Any] = []
        self.newest_ns = NEVER_NS  # latest stamp, also of an image that was of no use
        self.useless_before_ns = 1  # every cloud to come is too far from earlier images; a stamp of zero is none
        self.wanted_ns = FAR_NS  # an image from here on may make the first waiting cloud ready
        self.restarted = False  # this camera's clock went back, and the clouds' has not followed yet
        self._gone_without: deque[int] = deque(
            maxlen=_GONE_WITHOUT
        )  # wanted times of clouds that left without an image
        # As CameraState counts.
        self.received = self.unstamped = self.paired = self.missed = self.late = self.jumps = 0

    def came(self, stamp_ns: int, now_ns: int) -> None:
        """Count an image that arrived, as late if its cloud has already left without one."""
        self.received += 1
        self.rhythm.heard(now_ns)
        gone = self._gone_without
        while gone and gone[0] + self.tolerance_ns < stamp_ns:
            gone.popleft()
        if gone and gone[0] - self.tolerance_ns <= stamp_ns:
            gone.popleft()
            self.late += 1

    def is_decided(self, cloud_stamp_ns: int, now_ns: int, live_until_ns: int | None) -> bool:
        """Whether a cloud need not wait for it, or not any longer; live_until_ns: deadline of a cloud of a running system."""
        wanted_ns, rhythm = cloud_stamp_ns + self.offset_ns, self.rhythm
        if self.newest_ns >= wanted_ns or rhythm.is_silent(now_ns):
            return True
        if live_until_ns is None:
            return False
        return not rhythm.is_waited_for or rhythm.nothing_nearer_comes(
            self.newest_ns, wanted_ns, self.tolerance_ns, live_until_ns
        )

    def give_to(self, cloud_stamp_ns: int) -> Paired | None:
        """The image nearest to the wanted time, the earlier of two equally near; forgets what no later cloud can want."""
        wanted_ns = cloud_stamp_ns + self.offset_ns
        self.useless_before_ns = wanted_ns - self.tolerance_ns
        stamps = self.stamps
        at = bisect_left(stamps, wanted_ns)
        if at > 1:
            del stamps[: at - 1], self.images[: at - 1]
            at = 1
        if at == len(stamps) or (at and wanted_ns - stamps[at - 1] <= stamps[at] - wanted_ns):
            at -= 1
        if at < 0 or not -self.tolerance_ns <= stamps[at] - wanted_ns <= self.tolerance_ns:
            self.missed += 1
            self._gone_without.append(wanted_ns)
            return None
        self.paired += 1
        self.restarted = False
        return Paired(stamps[at], self.images[at])

    def insert(self, stamp_ns: int, image: Any) -> bool:  # noqa: ANN401
        """Put an image that came out of order in its place; false where there is one with its stamp."""
        at = bisect_left(self.stamps, stamp_ns)
        if stamp_ns == self.newest_ns or (at < len(self.stamps) and self.stamps[at] == stamp_ns):
            return False
        self.stamps.insert(at, stamp_ns)
        self.images.insert(at, image)
        self.newest_ns = max(self.newest_ns, stamp_ns)
        return True

    def forget_after(self, stamp_ns: int) -> None:
        """Drop the images after a time."""
        keep = bisect_left(self.stamps, stamp_ns + 1)
        del self.stamps[keep:], self.images[keep:]
        self.newest_ns = self.stamps[-1] if self.stamps else NEVER_NS

    def jumped_back(self) -> None:
        """Its clock was set back: the images so far belong to another time."""
        self.jumps += 1
        self.restarted = True
        self.rhythm.stamps_jumped()
        self.forget_after(NEVER_NS)

    def begin_anew(self, newest_ns: int) -> None:
        """The clouds' clock was set back: keep only images of the new time, up to newest_ns."""
        self.forget_after(newest_ns)
        self._gone_without.clear()
        self.restarted = False
        self.useless_before_ns = 1

    def state(self, now_ns: int) -> CameraState:
        """How it keeps step at now_ns on the steady clock."""
        rhythm = self.rhythm
        return CameraState(
            received=self.received,
            unstamped=self.unstamped,
            paired=self.paired,
            missed=self.missed,
            late=self.late,
            silences=rhythm.silences(now_ns),
            jumps=self.jumps,
            silent_s=rhythm.silent_s(now_ns),
            is_waited_for=rhythm.is_waited_for,
            period_s=None if rhythm.period_ns is None else rhythm.period_ns / 1e9,
        )


def require_seconds(name: str, value: float) -> None:
    """Raise BadConfig unless a value is a duration."""
    if not math.isfinite(value) or value < 0:
        raise BadConfig(f"{name}: expected seconds >= 0, found {value}.")
