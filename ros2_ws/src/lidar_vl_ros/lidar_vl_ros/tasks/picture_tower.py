"""Images encoded beside the clouds, in a thread of its own and at its own rate: the newest of each camera."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_core.foundation.errors import BadImage
from lidar_vl_core.tasks.ensemble.picture_features import PictureFeatures
from lidar_vl_ros.node.worker import Worker

_STOP_TIMEOUT_S = 2.0
_WINDOW = 60  # durations kept

Encode = Callable[[np.ndarray], PictureFeatures]
LoadRgb = Callable[[], np.ndarray]


@dataclass(frozen=True, eq=False)
class EncodedPicture:
    """The features that the image tower made of an image."""

    paired: Paired
    features: PictureFeatures


@dataclass(frozen=True)
class TowerState:
    """Figures of a tower so far."""

    encoded: int  # images
    overtaken: int  # images in whose place a newer one of their camera was encoded
    failed: int  # sets that an exception ended
    picture_ms: float | None  # median, decoding included
    working_s: float  # on the set in progress; 0: there is none


class PictureTower:
    """One slot for each camera. A set starts when a cloud asks and the tower is free: the newest image of each camera that has a new one."""

    def __init__(self, encode: Encode, failed: Callable[[Exception], None]) -> None:
        """encode: takes (H, W, 3) uint8. failed: gets an exception that ended a set; the next set is tried nevertheless."""
        self._encode, self._tell_failed = encode, failed
        self._lock = threading.Lock()
        self._newest: dict[str, tuple[Paired, LoadRgb]] = {}  # not yet encoded
        self._finished: dict[str, EncodedPicture] = {}
        self._took_ms: deque[float] = deque(maxlen=_WINDOW)
        self._encoded = self._overtaken = self._failed = 0
        self._since_s: float | None = None
        self._worker: Worker[bool] = Worker("PictureTower", self._encode_newest, self._set_failed)

    def put(self, name: str, paired: Paired, load_rgb: LoadRgb) -> None:
        """Take an image of a camera, replacing one that waits; load_rgb: raises BadImage. From any thread."""
        with self._lock:
            self._overtaken += name in self._newest
            self._newest[name] = paired, load_rgb

    def ask(self) -> None:
        """Encode what waits, as soon as the set in progress is done."""
        self._worker.put(True)

    def finished(self) -> Mapping[str, EncodedPicture]:
        """The newest encoded image of each camera."""
        with self._lock:
            return dict(self._finished)

    def state(self) -> TowerState:
        """Figures for the diagnostics."""
        with self._lock:
            working_s = 0.0 if self._since_s is None else time.monotonic() - self._since_s
            picture_ms = float(np.median(self._took_ms)) if self._took_ms else None
            return TowerState(self._encoded, self._overtaken, self._failed, picture_ms, working_s)

    def stop(self) -> bool:
        """Start no more sets; true if the one in progress ended in time, else its thread is abandoned."""
        with self._lock:
            self._newest = {}
        return self._worker.stop(_STOP_TIMEOUT_S)

    def _encode_newest(self, _asked: bool) -> None:
        with self._lock:
            names = list(self._newest)
            self._since_s = time.monotonic()
        try:
            for name in names:
                with self._lock:
                    picture = self._newest.pop(name, None)  # the newest now, not when the set began
                if picture is not None:  # None: the tower is stopped
                    self._encode_one(name, *picture)
        finally:
            with self._lock:
                self._since_s = None

    def _encode_one(self, name: str, paired: Paired, load_rgb: LoadRgb) -> None:
        started_s = time.perf_counter()
        try:
            rgb = load_rgb()
        except BadImage:  # counted and reported where it was decoded
            return
        picture = EncodedPicture(paired, self._encode(rgb))
        with self._lock:
            self._finished[name] = picture
            self._encoded += 1
            self._took_ms.append(1e3 * (time.perf_counter() - started_s))

    def _set_failed(self, error: Exception) -> None:
        with self._lock:
            self._failed += 1
        self._tell_failed(error)
