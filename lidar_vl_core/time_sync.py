"""FramePairer: one cloud with the nearest image of each camera, as early as can be, whatever the clocks do."""

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lidar_vl_core.errors import BadConfig, BadRequest

_NEVER_NS = -(1 << 63)


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


class Frame(NamedTuple):
    """A cloud with the images that belong to it."""

    stamp_ns: int
    cloud: Any
    images: dict[str, Paired]  # by camera name
    missing: tuple[str, ...]  # cameras without an image


@dataclass
class PairingCounters:
    """What happened so far."""

    emitted: int = 0  # clouds given out
    incomplete: int = 0  # of those, clouds that lack at least one image
    dropped: int = 0  # messages without a stamp, images pushed out of a full queue, clouds without a required image
    late: int = 0  # messages for a time that has already been given out
    duplicate: int = 0  # messages with a stamp their stream has had
    jumps: int = 0  # times the clouds' clock went back, or ahead of the steady clock
    camera_jumps: int = 0  # times a camera's clock went back


class FramePairer:
    """Pairs clouds and images by their stamps; fed message by message, from one thread.

    A cloud is given out when each camera has sent an image at or after the wanted time (so that, images coming in
    order, the nearest is known), is silent, or max_wait_s has passed on the steady clock. Clouds are given out in
    the order of their stamps and never twice; an image may serve several clouds. Call poll() on a timer, or the last
    cloud waits for the next message.
    """

    def __init__(
        self,
        cameras: Sequence[CameraTiming],
        max_wait_s: float = 0.1,
        queue_length: int = 30,
        loop_jump_s: float = 1.0,
        silent_after_s: float = 1.0,
    ) -> None:
        """queue_length: most waiting clouds, and most images of a camera. loop_jump_s: stamps that go back further are
        a restarted clock, not a late message. silent_after_s: a camera that sent nothing for so long is not waited for.
        Raises BadConfig.
        """
        _require_valid(cameras, max_wait_s, queue_length, loop_jump_s, silent_after_s)
        self._cameras = {timing.name: _Camera(timing) for timing in cameras}
        self._in_order = tuple(self._cameras.values())
        self._max_wait_ns = _nanoseconds(max_wait_s)
        self._queue_length = queue_length
        self._loop_jump_ns = _nanoseconds(loop_jump_s)
        self._silent_after_ns = _nanoseconds(silent_after_s)
        self._waiting: list[_Waiting] = []  # by stamp
        self._newest_ns = _NEVER_NS  # latest cloud stamp, and when it came
        self._newest_arrival_ns = _NEVER_NS
        self._given_out_ns = _NEVER_NS  # stamp of the last cloud given out
        self._counters = PairingCounters()

    @property
    def counters(self) -> PairingCounters:
        """A copy of the counters."""
        return replace(self._counters)

    def queue_lengths(self) -> dict[str, int]:
        """Images held per camera, and clouds waiting under ""."""
        return {"": len(self._waiting)} | {camera.name: len(camera.stamps) for camera in self._in_order}

    def silent_cameras(self, now_ns: int) -> tuple[str, ...]:
        """Cameras that are not waited for, because they have sent nothing for silent_after_s."""
        return tuple(camera.name for camera in self._in_order if self._is_silent(camera, now_ns))

    def add_cloud(self, stamp_ns: int, cloud: Any, now_ns: int) -> list[Frame]:  # noqa: ANN401  payloads are opaque
        """Take a cloud; returns the frames that are ready now. now_ns: arrival on the steady clock."""
        frames: list[Frame] = []
        if stamp_ns <= 0:
            self._counters.dropped += 1
            return frames
        if stamp_ns < self._newest_ns - self._loop_jump_ns:
            frames = self._restart(stamp_ns)
        elif self._is_ahead(stamp_ns, now_ns):
            self._counters.jumps += 1
        if stamp_ns == self._given_out_ns or any(waiting.stamp_ns == stamp_ns for waiting in self._waiting):
            self._counters.duplicate += 1
            return frames
        if stamp_ns < self._given_out_ns:
            self._counters.late += 1
            return frames
        for camera in self._in_order:
            if camera.heard_ns == _NEVER_NS:
                camera.heard_ns = now_ns  # from the first cloud on a camera that never speaks is on its way to silence
        insort(self._waiting, _Waiting(stamp_ns, now_ns + self._max_wait_ns, cloud), key=_stamp_of)
        if stamp_ns > self._newest_ns:
            self._newest_ns, self._newest_arrival_ns = stamp_ns, now_ns
        return frames + self._release(now_ns)

    def add_image(self, name: str, stamp_ns: int, image: Any, now_ns: int) -> list[Frame]:  # noqa: ANN401
        """Take an image; returns the frames that are ready now. Raises BadRequest for an unknown camera."""
        camera = self._cameras.get(name)
        if camera is None:
            raise BadRequest(f"camera {name!r}: expected one of {sorted(self._cameras)}. Add it to the cameras.")
        camera.heard_ns = now_ns
        if stamp_ns > camera.newest_ns and stamp_ns > 0:
            camera.stamps.append(stamp_ns)
            camera.images.append(image)
            camera.newest_ns = stamp_ns
        elif not self._insert_older(camera, stamp_ns, image):
            return self._release(now_ns) if self._waiting else []
        if len(camera.stamps) > self._queue_length:
            del camera.stamps[0], camera.images[0]
            self._counters.dropped += 1
        return self._release(now_ns) if self._waiting else []

    def poll(self, now_ns: int) -> list[Frame]:
        """The frames that need not or may not wait longer at now_ns."""
        return self._release(now_ns) if self._waiting else []

    def _insert_older(self, camera: "_Camera", stamp_ns: int, image: Any) -> bool:  # noqa: ANN401
        """Take an image that is not newer than its camera's newest; false where it is of no use."""
        if stamp_ns <= 0:
            self._counters.dropped += 1
            return False
        if stamp_ns < camera.newest_ns - self._loop_jump_ns:
            self._counters.camera_jumps += 1
            camera.forget_all()
        at = bisect_left(camera.stamps, stamp_ns)
        if stamp_ns == camera.newest_ns or (at < len(camera.stamps) and camera.stamps[at] == stamp_ns):
            self._counters.duplicate += 1
            return False
        if stamp_ns < self._given_out_ns + camera.offset_ns - camera.tolerance_ns and camera.stamps:
            self._counters.late += 1
            return False
        camera.stamps.insert(at, stamp_ns)
        camera.images.insert(at, image)
        camera.newest_ns = max(camera.newest_ns, stamp_ns)
        return True

    def _is_ahead(self, stamp_ns: int, now_ns: int) -> bool:
        """True where the clouds' clock ran ahead of the steady clock: it was set, nothing was silent."""
        if self._newest_ns == _NEVER_NS:
            return False
        return stamp_ns - self._newest_ns - (now_ns - self._newest_arrival_ns) > self._loop_jump_ns

    def _restart(self, stamp_ns: int) -> list[Frame]:
        """Give out what waits, and forget what belongs to the time before the clouds' clock went back."""
        self._counters.jumps += 1
        frames = self._give_out(len(self._waiting))
        for camera in self._in_order:
            camera.forget_after(stamp_ns + camera.offset_ns + self._loop_jump_ns)
        self._newest_ns = self._given_out_ns = _NEVER_NS
        return frames

    def _release(self, now_ns: int) -> list[Frame]:
        """Give out the leading clouds that are ready, overdue, or before one that is overdue."""
        ready = max(0, len(self._waiting) - self._queue_length)
        for position in range(ready, len(self._waiting)):
            if now_ns >= self._waiting[position].deadline_ns:
                ready = position + 1
        while ready < len(self._waiting) and self._is_decided(self._waiting[ready].stamp_ns, now_ns):
            ready += 1
        return self._give_out(ready) if ready else []

    def _is_decided(self, stamp_ns: int, now_ns: int) -> bool:
        for camera in self._in_order:
            if camera.newest_ns < stamp_ns + camera.offset_ns and not self._is_silent(camera, now_ns):
                return False
        return True

    def _is_silent(self, camera: "_Camera", now_ns: int) -> bool:
        return camera.heard_ns != _NEVER_NS and now_ns - camera.heard_ns > self._silent_after_ns

    def _give_out(self, count: int) -> list[Frame]:
        frames = []
        for waiting in self._waiting[:count]:
            images = {}
            missing = []
            complete = True
            for camera in self._in_order:
                paired = camera.nearest(waiting.stamp_ns)
                if paired is not None:
                    images[camera.name] = paired
                else:
                    missing.append(camera.name)
                    complete = complete and not camera.required
            self._given_out_ns = waiting.stamp_ns
            if not complete:
                self._counters.dropped += 1
                continue
            self._counters.emitted += 1
            self._counters.incomplete += bool(missing)
            frames.append(Frame(waiting.stamp_ns, waiting.cloud, images, tuple(missing)))
        del self._waiting[:count]
        return frames


class _Waiting(NamedTuple):
    stamp_ns: int
    deadline_ns: int  # on the steady clock
    cloud: Any


class _Camera:
    """The images of one camera that may still be paired, by stamp."""

    __slots__ = ("heard_ns", "images", "name", "newest_ns", "offset_ns", "required", "stamps", "tolerance_ns")

    def __init__(self, timing: CameraTiming) -> None:
        self.name = timing.name
        self.offset_ns = _nanoseconds(timing.offset_s)
        self.tolerance_ns = _nanoseconds(timing.max_time_difference_s)
        self.required = timing.required
        self.stamps: list[int] = []
        self.images: list[Any] = []
        self.newest_ns = _NEVER_NS
        self.heard_ns = _NEVER_NS  # last arrival on the steady clock

    def nearest(self, cloud_stamp_ns: int) -> Paired | None:
        """The image nearest to the wanted time, the earlier of two equally near; forgets what no later cloud can want."""
        wanted_ns = cloud_stamp_ns + self.offset_ns
        at = bisect_left(self.stamps, wanted_ns)
        if at > 1:
            del self.stamps[: at - 1], self.images[: at - 1]
            at = 1
        if at == len(self.stamps) or (at and wanted_ns - self.stamps[at - 1] <= self.stamps[at] - wanted_ns):
            at -= 1
        if at < 0 or abs(self.stamps[at] - wanted_ns) > self.tolerance_ns:
            return None
        return Paired(self.stamps[at], self.images[at])

    def forget_all(self) -> None:
        """Start anew after this camera's clock went back."""
        self.forget_after(_NEVER_NS)

    def forget_after(self, stamp_ns: int) -> None:
        """Drop the images after a time."""
        keep = bisect_left(self.stamps, stamp_ns + 1)
        del self.stamps[keep:], self.images[keep:]
        self.newest_ns = self.stamps[-1] if self.stamps else _NEVER_NS


def _stamp_of(waiting: _Waiting) -> int:
    return waiting.stamp_ns


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _require_valid(
    cameras: Sequence[CameraTiming], max_wait_s: float, queue_length: int, loop_jump_s: float, silent_after_s: float
) -> None:
    names = [timing.name for timing in cameras]
    if len(set(names)) != len(names):
        raise BadConfig(f"cameras: expected each name once, found {names}. Remove the double one.")
    durations = {"max_wait_s": max_wait_s, "loop_jump_s": loop_jump_s, "silent_after_s": silent_after_s}
    durations |= {f"{timing.name}.max_time_difference_s": timing.max_time_difference_s for timing in cameras}
    for name, value in durations.items():
        if not math.isfinite(value) or value < 0:
            raise BadConfig(f"{name}: expected seconds >= 0, found {value}. Correct the number.")
    for timing in cameras:
        if not math.isfinite(timing.offset_s):
            raise BadConfig(f"{timing.name}.offset_s: expected seconds, found {timing.offset_s}. Correct the number.")
    if queue_length < 1:
        raise BadConfig(f"queue_length: expected at least 1, found {queue_length}. Correct the number.")
