"""The images of one camera that may still be paired with a cloud."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, NamedTuple

from lidar_vl_core.foundation.stamps import nanoseconds

NEVER_NS = -(1 << 62)  # before every stamp, with room to add an offset
FAR_NS = 1 << 62  # after every stamp


@dataclass(frozen=True)
class CameraTiming:
    """When a camera's image belongs to a sweep."""

    name: str
    offset_s: float = 0.0  # expected image stamp minus cloud stamp
    max_time_difference_s: float = 0.05  # farther images, after the offset, are never paired
    required: bool = False  # without its image a cloud is dropped


class Paired(NamedTuple):
    """An image that belongs to a cloud."""

    stamp_ns: int
    image: Any


class CameraQueue:
    """Images by stamp, and what the camera's stamps and arrivals say about the clouds that wait."""

    __slots__ = (
        "heard_ns",
        "images",
        "name",
        "newest_ns",
        "offset_ns",
        "restarted",
        "stamps",
        "tolerance_ns",
        "useless_before_ns",
        "wanted_ns",
    )

    def __init__(self, timing: CameraTiming) -> None:
        self.name = timing.name
        self.offset_ns = nanoseconds(timing.offset_s)
        self.tolerance_ns = nanoseconds(timing.max_time_difference_s)
        self.stamps: list[int] = []
        self.images: list[Any] = []
        self.newest_ns = NEVER_NS  # latest stamp, also of an image that was of no use
        self.heard_ns = NEVER_NS  # last arrival on the steady clock
        self.useless_before_ns = 1  # every cloud to come is too far from earlier images; a stamp of zero is none
        self.wanted_ns = FAR_NS  # an image from here on may make the first waiting cloud ready
        self.restarted = False  # this camera's clock went back, and the clouds' has not followed yet

    def nearest(self, cloud_stamp_ns: int) -> Paired | None:
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
            return None
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
