"""CloudsWithImages: every cloud of a LiDAR handed on exactly once, with its images where somebody needs them."""

from collections.abc import Mapping, Sequence
from typing import Any

from lidar_vl_core.cameras.camera_queue import CameraTiming
from lidar_vl_core.cameras.camera_rhythm import CameraState
from lidar_vl_core.cameras.frame import Frame
from lidar_vl_core.cameras.synchronisation import FramePairer

_QUEUE_LENGTH = 20  # images of a camera: a third of a second at 60 Hz; while no cloud comes, no more memory than that


class CloudsWithImages:
    """The running system's pairing, fed message by message from one thread.

    A cloud whose images nobody needs is handed on at once, without any; it is paired all the same, so that the counters
    tell what somebody would get. One whose stamp cannot be paired (none, double, late) is handed on at once, too.
    """

    def __init__(self, cameras: Sequence[CameraTiming], max_wait_s: float) -> None:
        """max_wait_s: longest a cloud waits, by the rules of a live FramePairer. Raises BadConfig."""
        self._names = tuple(camera.name for camera in cameras)
        self._pairer = FramePairer(cameras, max_wait_s, _QUEUE_LENGTH, live=True)
        self._waiting: dict[int, tuple[int, Any]] = {}  # stamp and cloud by number of arrival
        self._arrived = 0

    @property
    def waits(self) -> bool:
        """Whether a cloud waits for its images: poll() is to be called soon."""
        return bool(self._waiting)

    def camera_states(self, now_ns: int) -> Mapping[str, CameraState]:
        """How each camera keeps step at now_ns on the steady clock."""
        return self._pairer.camera_states(now_ns)

    def add_cloud(self, stamp_ns: int, cloud: Any, now_ns: int, images_needed: bool) -> list[Frame]:  # noqa: ANN401  payloads are opaque
        """Take a cloud; returns what is handed on now. now_ns: arrival on the steady clock."""
        self._arrived += 1
        number, refused_before = self._arrived, self._pairer.counters.refused
        if not images_needed:
            overtaken = [self._alone(*waiting) for waiting in self._waiting.values()]
            self._waiting.clear()
            self._pairer.add_cloud(stamp_ns, number, now_ns)
            return [*overtaken, self._alone(stamp_ns, cloud)]
        self._waiting[number] = stamp_ns, cloud
        ready = self._handed_on(self._pairer.add_cloud(stamp_ns, number, now_ns))
        if self._pairer.counters.refused != refused_before:
            ready.append(self._alone(*self._waiting.pop(number)))
        return ready

    def add_image(self, name: str, stamp_ns: int, image: Any, now_ns: int) -> list[Frame]:  # noqa: ANN401
        """Take an image; returns what is handed on now. Raises BadRequest for an unknown camera."""
        return self._handed_on(self._pairer.add_image(name, stamp_ns, image, now_ns))

    def poll(self, now_ns: int) -> list[Frame]:
        """What need not or may not wait longer at now_ns."""
        return self._handed_on(self._pairer.poll(now_ns))

    def restart(self) -> list[Frame]:
        """Begin anew after the clock was set: what waits is handed on with the images there are."""
        return self._handed_on(self._pairer.restart())

    def stop(self) -> int:
        """Forget what waits; returns how many clouds that are."""
        waited = len(self._waiting)
        self._waiting.clear()
        self._pairer.restart()
        return waited

    def _handed_on(self, frames: Sequence[Frame]) -> list[Frame]:
        return [
            frame._replace(cloud=self._waiting.pop(frame.cloud)[1]) for frame in frames if frame.cloud in self._waiting
        ]

    def _alone(self, stamp_ns: int, cloud: Any) -> Frame:  # noqa: ANN401
        return Frame(stamp_ns, cloud, {}, self._names)
