"""FramePairer: one cloud with the nearest image of each camera, as early as possible, whatever the clocks do."""

from bisect import insort
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lidar_vl_core.cameras.synchronisation.camera_queue import (
    FAR_NS,
    NEVER_NS,
    CameraQueue,
    CameraTiming,
    require_seconds,
)
from lidar_vl_core.cameras.synchronisation.camera_rhythm import CameraState
from lidar_vl_core.cameras.synchronisation.cloud_clock import CloudClock, Verdict
from lidar_vl_core.cameras.synchronisation.frame import Frame, PairingCounters
from lidar_vl_core.cameras.synchronisation.waiting import LiveWaits, Waiting
from lidar_vl_core.foundation.errors import BadConfig, BadRequest
from lidar_vl_core.foundation.stamps import nanoseconds


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
        live: bool = False,
    ) -> None:
        """queue_length: most waiting clouds, and most images of a camera. loop_jump_s: stamps that go back further are
        a restarted clock, not a late message. silent_after_s: a camera that sent nothing for so long, and much longer
        than usual, is not waited for. live: nor is a camera whose next image, by its period, is none for the cloud, or
        that kept several clouds in a row waiting in vain, until an image comes in time again. Raises BadConfig.
        """
        _require_valid(cameras, max_wait_s, queue_length, loop_jump_s, silent_after_s)
        self._cameras = {timing.name: CameraQueue(timing, nanoseconds(silent_after_s)) for timing in cameras}
        self._in_order = tuple(self._cameras.values())
        self._max_wait_ns = nanoseconds(max_wait_s)
        self._queue_length = queue_length
        self._loop_jump_ns = nanoseconds(loop_jump_s)
        self._live = live
        self._waiting: list[Waiting] = []  # by stamp
        self._live_waits = LiveWaits(queue_length)
        self._clock = CloudClock(self._loop_jump_ns)
        self._undecided = 0  # cameras that the first waiting cloud waits for
        self._check_ns = FAR_NS  # from when on the steady clock waiting clouds must be looked at
        self._counters = PairingCounters()

    @property
    def counters(self) -> PairingCounters:
        """A copy of the counters."""
        return replace(self._counters)

    def camera_states(self, now_ns: int) -> dict[str, CameraState]:
        """How each camera keeps step at now_ns on the steady clock."""
        return {name: camera.state(now_ns) for name, camera in self._cameras.items()}

    def add_cloud(self, stamp_ns: int, cloud: Any, now_ns: int) -> list[Frame]:  # noqa: ANN401  payloads are opaque
        """Take a cloud; returns the frames that are ready now. now_ns: arrival on the steady clock."""
        verdict = self._clock.judge(stamp_ns, now_ns, self._waits)
        if verdict.is_refusal:
            self._count_refused(verdict)
            return self._release(now_ns)
        frames = self._restart(stamp_ns) if verdict is Verdict.RESTART else []
        self._counters.jumps += verdict in (Verdict.RESTART, Verdict.AHEAD)
        if not self._clock.has_begun:
            for camera in self._in_order:
                camera.rhythm.expect_from(now_ns)
        insort(self._waiting, Waiting(stamp_ns, now_ns + self._max_wait_ns, cloud), key=_stamp_of)
        self._clock.take(stamp_ns, now_ns)
        return frames + self._release(now_ns)

    def add_image(self, name: str, stamp_ns: int, image: Any, now_ns: int) -> list[Frame]:  # noqa: ANN401
        """Take an image; returns the frames that are ready now. Raises BadRequest for an unknown camera."""
        camera = self._cameras.get(name)
        if camera is None:
            raise BadRequest(f"camera {name!r}: expected one of {sorted(self._cameras)}. Add it to the cameras.")
        camera.came(stamp_ns, now_ns)
        before_ns = camera.newest_ns
        if camera.useless_before_ns <= stamp_ns > camera.newest_ns:
            camera.newest_ns = stamp_ns
            camera.stamps.append(stamp_ns)
            camera.images.append(image)
        else:
            self._add_unusual(camera, stamp_ns, image)
        if before_ns < camera.newest_ns:
            camera.rhythm.passed(camera.newest_ns - before_ns if before_ns > NEVER_NS else None, now_ns)
        if len(camera.stamps) > self._queue_length:
            del camera.stamps[0], camera.images[0]
            self._counters.dropped += 1
        if self._live:
            self._live_waits.image_came(camera, before_ns, now_ns)
            return self._release(now_ns)
        if stamp_ns >= camera.wanted_ns:
            camera.wanted_ns = FAR_NS
            self._undecided -= 1
            if self._undecided == 0:
                return self._release(now_ns)
        return self._release(now_ns) if now_ns >= self._check_ns else []

    def poll(self, now_ns: int) -> list[Frame]:
        """The frames that need not or may not wait longer at now_ns."""
        return self._release(now_ns)

    def restart(self) -> list[Frame]:
        """Give out what waits, with the images there are, and forget all images: the clock was set."""
        frames = self._give_out(len(self._waiting))
        for camera in self._in_order:
            camera.begin_anew(NEVER_NS)
        self._forget_stamps()
        return frames

    def _add_unusual(self, camera: CameraQueue, stamp_ns: int, image: Any) -> None:  # noqa: ANN401
        """Take an image that is not newer than its camera's newest, or old, where it can be of use."""
        if stamp_ns <= 0:
            self._counters.dropped += 1
            camera.unstamped += 1
            return
        if stamp_ns < camera.newest_ns - self._loop_jump_ns:
            self._counters.camera_jumps += 1
            camera.jumped_back()
        elif camera.useless_before_ns - self._loop_jump_ns <= stamp_ns < camera.useless_before_ns:
            self._counters.late += 1
            camera.newest_ns = max(camera.newest_ns, stamp_ns)
            return
        if not camera.insert(stamp_ns, image):
            self._counters.duplicate += 1

    def _waits(self, stamp_ns: int) -> bool:
        return any(waiting.stamp_ns == stamp_ns for waiting in self._waiting)

    def _count_refused(self, verdict: Verdict) -> None:
        self._counters.refused += 1
        self._counters.dropped += verdict is Verdict.UNSTAMPED
        self._counters.late += verdict is Verdict.LATE
        self._counters.duplicate += verdict is Verdict.DUPLICATE

    def _restart(self, stamp_ns: int) -> list[Frame]:
        """Give out what waits, and forget what belongs to the time before the clouds' clock went back."""
        frames = self._give_out(len(self._waiting))
        for camera in self._in_order:
            # A camera that went back before the clouds did holds images of the new time already.
            newest_ns = stamp_ns + camera.offset_ns + self._loop_jump_ns
            camera.begin_anew(newest_ns if camera.restarted else NEVER_NS)
        self._forget_stamps()
        return frames

    def _forget_stamps(self) -> None:
        self._clock.forget()
        self._live_waits.forget()

    def _release(self, now_ns: int) -> list[Frame]:
        """Give out the leading clouds that are ready, overdue, or before one that is overdue."""
        if not self._waiting:
            return []
        ready = max(0, len(self._waiting) - self._queue_length)
        for position in range(ready, len(self._waiting)):
            if now_ns >= self._waiting[position].deadline_ns:
                ready = position + 1
        while ready < len(self._waiting) and self._is_decided(self._waiting[ready], now_ns):
            ready += 1
        if self._live:
            for waiting in self._waiting[:ready]:
                self._live_waits.cloud_leaves(waiting, self._in_order, now_ns)
        frames = self._give_out(ready) if ready else []
        if not self._live:
            self._set_alarms(now_ns)
        return frames

    def _set_alarms(self, now_ns: int) -> None:
        """Note what has to come before the first waiting cloud can be ready, so that other images need no look at it."""
        self._undecided = 0
        self._check_ns = FAR_NS
        if not self._waiting:
            return
        first_ns = self._waiting[0].stamp_ns
        for waiting in self._waiting:
            self._check_ns = min(self._check_ns, waiting.deadline_ns)
        for camera in self._in_order:
            camera.wanted_ns = FAR_NS
            if camera.newest_ns < first_ns + camera.offset_ns and not camera.is_decided(first_ns, now_ns, None):
                camera.wanted_ns = first_ns + camera.offset_ns
                self._undecided += 1
                self._check_ns = min(self._check_ns, camera.rhythm.silence_ends_ns() or FAR_NS)

    def _is_decided(self, waiting: Waiting, now_ns: int) -> bool:
        until_ns = waiting.deadline_ns if self._live else None
        for camera in self._in_order:
            # The usual case is looked at here: this runs several times for every cloud and camera.
            if camera.newest_ns < waiting.stamp_ns + camera.offset_ns and not camera.is_decided(
                waiting.stamp_ns, now_ns, until_ns
            ):
                return False
        return True

    def _give_out(self, count: int) -> list[Frame]:
        frames = []
        for stamp_ns, _, cloud in self._waiting[:count]:
            images = {camera.name: paired for camera in self._in_order if (paired := camera.give_to(stamp_ns))}
            complete = len(images) == len(self._cameras)
            missing = () if complete else tuple(name for name in self._cameras if name not in images)
            self._clock.give_out(stamp_ns)
            self._counters.emitted += 1
            self._counters.incomplete += bool(missing)
            frames.append(Frame(stamp_ns, cloud, images, missing))
        del self._waiting[:count]
        return frames


def _stamp_of(waiting: Waiting) -> int:
    return waiting.stamp_ns


def _require_valid(
    cameras: Sequence[CameraTiming], max_wait_s: float, queue_length: int, loop_jump_s: float, silent_after_s: float
) -> None:
    names = [timing.name for timing in cameras]
    if len(set(names)) != len(names):
        raise BadConfig(f"cameras: expected each name once, found {names}. Remove the repeated one.")
    for name, value in (("max_wait_s", max_wait_s), ("loop_jump_s", loop_jump_s), ("silent_after_s", silent_after_s)):
        require_seconds(name, value)
    if queue_length < 1:
        raise BadConfig(f"queue_length: expected at least 1, found {queue_length}.")
