"""CloudsWithImages: every cloud of a LiDAR handed on exactly once, with its images where somebody needs them."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.synchronisation.camera_rhythm import VAIN_WAITS, CameraState
from lidar_vl_core.cameras.synchronisation.frame import Frame
from lidar_vl_core.cameras.synchronisation.frame_pairer import FramePairer
from lidar_vl_core.foundation.stamps import nanoseconds

# Waiting clouds, and images of a camera: a third of a second at 60 Hz, and while no cloud comes no more memory than that.
_QUEUE_LENGTH = 20


class CloudsWithImages:
    """The running system's pairing, fed message by message from one thread.

    A cloud whose images nobody needs is handed on at once, without any; it is paired all the same, so that the counters
    tell what somebody would get. One whose stamp cannot be paired (none, double, late) is handed on at once, too.
    """

    def __init__(
        self,
        cameras: Sequence[CameraTiming],
        max_wait_s: float,
        place_is_to_come: Callable[[Frame], bool] = lambda frame: False,
        place_max_wait_s: float = 0.0,
    ) -> None:
        """max_wait_s: longest a cloud waits, by the rules of a live FramePairer. Raises BadConfig.

        place_is_to_come: whether transforms that a cloud and its images need are still on their way; they are waited for
        until place_max_wait_s after the cloud came, and no longer after several clouds in a row waited for them in vain.
        """
        self._names = tuple(camera.name for camera in cameras)
        self._pairer = FramePairer(cameras, max_wait_s, _QUEUE_LENGTH, live=True)
        self._place_max_wait_ns = nanoseconds(place_max_wait_s)
        self._place_is_to_come = place_is_to_come
        self._waiting: dict[int, _Waiting] = {}  # for images, by number of arrival
        self._unplaced: deque[tuple[Frame, int]] = deque()  # for transforms, in order, each until a moment
        self._vain_waits = 0  # for transforms, in a row
        self._arrived = 0

    @property
    def waits(self) -> bool:
        """Whether a cloud waits: poll() is to be called soon."""
        return bool(self._waiting or self._unplaced)

    def camera_states(self, now_ns: int) -> Mapping[str, CameraState]:
        """How each camera keeps step at now_ns on the steady clock."""
        return self._pairer.camera_states(now_ns)

    def add_cloud(self, stamp_ns: int, cloud: Any, now_ns: int, images_needed: bool) -> list[Frame]:  # noqa: ANN401  payloads are opaque
        """Take a cloud; returns what is handed on now. now_ns: arrival on the steady clock."""
        self._arrived += 1
        number, refused_before = self._arrived, self._pairer.counters.refused
        if not images_needed:
            overtaken = [*self._placed_or_not(), *(self._alone(waiting) for waiting in self._waiting.values())]
            self._waiting.clear()
            self._pairer.add_cloud(stamp_ns, number, now_ns)
            return [*overtaken, self._alone(_Waiting(stamp_ns, cloud, now_ns))]
        self._waiting[number] = _Waiting(stamp_ns, cloud, now_ns + self._place_max_wait_ns)
        ready = self._handed_on(self._pairer.add_cloud(stamp_ns, number, now_ns), now_ns)
        if self._pairer.counters.refused != refused_before:
            ready.append(self._alone(self._waiting.pop(number)))
        return ready

    def add_image(self, name: str, stamp_ns: int, image: Any, now_ns: int) -> list[Frame]:  # noqa: ANN401
        """Take an image; returns what is handed on now. Raises BadRequest for an unknown camera."""
        return self._handed_on(self._pairer.add_image(name, stamp_ns, image, now_ns), now_ns)

    def poll(self, now_ns: int) -> list[Frame]:
        """The clouds that need not or may not wait longer at now_ns."""
        return self._handed_on(self._pairer.poll(now_ns), now_ns)

    def restart(self) -> list[Frame]:
        """Start again after the clock was set: what waits is handed on with the images there are."""
        self._paired(self._pairer.restart())
        return self._placed_or_not()

    def stop(self) -> int:
        """Forget what waits; returns how many clouds that are."""
        waited = len(self._waiting) + len(self._unplaced)
        self._waiting.clear()
        self._unplaced.clear()
        self._pairer.restart()
        return waited

    def _handed_on(self, frames: Sequence[Frame], now_ns: int) -> list[Frame]:
        self._paired(frames)
        ready = []
        while self._unplaced and (
            len(self._unplaced) > _QUEUE_LENGTH or self._need_not_wait(*self._unplaced[0], now_ns)
        ):
            ready.append(self._unplaced.popleft()[0])
        return ready

    def _paired(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            waiting = self._waiting.pop(frame.cloud, None)  # None: one that was handed on as it came
            if waiting is not None:
                self._unplaced.append((frame._replace(cloud=waiting.cloud), waiting.deadline_ns))

    def _need_not_wait(self, frame: Frame, deadline_ns: int, now_ns: int) -> bool:
        if not frame.images:
            return True
        if not self._place_is_to_come(frame):
            self._vain_waits = 0
        elif self._vain_waits < VAIN_WAITS:
            if now_ns < deadline_ns:
                return False
            self._vain_waits += 1
        return True

    def _placed_or_not(self) -> list[Frame]:
        frames = [frame for frame, _ in self._unplaced]
        self._unplaced.clear()
        return frames

    def _alone(self, waiting: "_Waiting") -> Frame:
        return Frame(waiting.stamp_ns, waiting.cloud, {}, self._names)


class _Waiting(NamedTuple):
    stamp_ns: int
    cloud: Any
    deadline_ns: int  # for its transforms, on the steady clock
