"""A FramePairer that is fed in milliseconds, and what it holds."""

import weakref

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.synchronisation.frame import Frame
from lidar_vl_core.cameras.synchronisation.frame_pairer import FramePairer

MS = 1_000_000
START = 1_000_000 * MS  # no stamp is zero


class Payload(float):
    """A stamp that can be watched: it is gone when nobody holds it any more."""


class Feed:
    """Speaks milliseconds after START to a FramePairer and collects what it gives out."""

    def __init__(self, *cameras: CameraTiming | str, **settings) -> None:
        timings = [CameraTiming(camera) if isinstance(camera, str) else camera for camera in cameras]
        self.pairer = FramePairer(timings, **settings)
        self.frames: list[Frame] = []
        self._sent: list[weakref.ref[Payload]] = []

    def cloud(self, stamp: float, now: float | None = None) -> list:
        return self._collect(
            self.pairer.add_cloud(_ns(stamp), self._watched(stamp), _ns(stamp if now is None else now))
        )

    def image(self, name: str, stamp: float, now: float | None = None) -> list:
        return self._collect(
            self.pairer.add_image(name, _ns(stamp), self._watched(stamp), _ns(stamp if now is None else now))
        )

    def poll(self, now: float) -> list:
        return self._collect(self.pairer.poll(_ns(now)))

    def held(self) -> int:
        """Clouds and images that have not been given out, forgotten or collected in `frames`; forgets the latter."""
        self.frames.clear()
        self._sent = [payload for payload in self._sent if payload() is not None]
        return len(self._sent)

    def _watched(self, stamp: float) -> Payload:
        payload = Payload(stamp)
        self._sent.append(weakref.ref(payload))
        return payload

    def _collect(self, frames: list[Frame]) -> list:
        self.frames += frames
        return [(frame.cloud, {name: paired.image for name, paired in frame.images.items()}) for frame in frames]


def _ns(milliseconds: float) -> int:
    return START + round(milliseconds * MS)
