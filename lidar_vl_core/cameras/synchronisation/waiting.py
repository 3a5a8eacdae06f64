"""Clouds that wait for images, and whether it pays to wait for each camera in a running system."""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraQueue


class Waiting(NamedTuple):
    """A cloud that waits."""

    stamp_ns: int
    deadline_ns: int  # on the steady clock
    cloud: Any


class LiveWaits:
    """Tells the rhythm of each camera whether clouds waited for it in vain, or would have had its image in time."""

    def __init__(self, remembered: int) -> None:
        """remembered: clouds that left in time, of which a later image may show that waiting would have paid."""
        self._in_time: deque[Waiting] = deque(maxlen=remembered)

    def forget(self) -> None:
        """Start again: the clock was set."""
        self._in_time.clear()

    def cloud_leaves(self, waiting: Waiting, cameras: Sequence[CameraQueue], now_ns: int) -> None:
        """Judge every camera by a cloud that is given out now."""
        if now_ns < waiting.deadline_ns:
            self._in_time.append(waiting._replace(cloud=None))
        for camera in cameras:
            if camera.newest_ns >= waiting.stamp_ns + camera.offset_ns:
                camera.rhythm.came_in_time()
            elif now_ns >= waiting.deadline_ns and not camera.is_decided(waiting.stamp_ns, now_ns, waiting.deadline_ns):
                camera.rhythm.waited_in_vain()

    def image_came(self, camera: CameraQueue, before_ns: int, now_ns: int) -> None:
        """Judge a camera by its new image; before_ns: stamp of the newest one before."""
        if not camera.rhythm.is_waited_for and self._would_have_been_in_time(camera, before_ns, now_ns):
            camera.rhythm.came_in_time()

    def _would_have_been_in_time(self, camera: CameraQueue, before_ns: int, now_ns: int) -> bool:
        """Whether the new image decides a cloud that was not made to wait for it and still might."""
        return any(
            before_ns < gone.stamp_ns + camera.offset_ns <= camera.newest_ns and now_ns < gone.deadline_ns
            for gone in self._in_time
        )
