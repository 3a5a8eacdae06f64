"""Says what class ids mean, in step with the clouds that carry them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lidar_vl_core.classes.class_table import ClassTable

Tell = Callable[[ClassTable, int], None]  # classes, and a stamp in nanoseconds


class ClassNames:
    """Tells classes whenever they change: a cloud is of the classes told last before it, also while words change.

    Two topics may overtake each other on their way, so that with the classes goes the stamp of the last cloud of those before.
    """

    def __init__(self, tell: Tell, newest: Callable[[], ClassTable]) -> None:
        """tell: publishes classes and that stamp. newest: the classes of a cloud whose work would begin now."""
        self._tell, self._newest = tell, newest
        self._lock = threading.Lock()
        self._in_work = False
        self._told: ClassTable | None = None
        self._last_stamp_ns = 0

    @contextmanager
    def of_a_cloud(self) -> Iterator[Tell]:
        """Around the work on a cloud, from the worker; gives what to call with its classes and stamp before it is published."""
        with self._lock:
            self._in_work = True
        try:
            yield self._tell_before
        finally:
            with self._lock:
                self._in_work = False
            self.changed()

    def changed(self) -> None:
        """Tell the newest classes now, or after the cloud in work, which may have begun with the ones before."""
        with self._lock:
            if not self._in_work:
                self._tell_changed(self._newest())

    def _tell_before(self, classes: ClassTable, stamp_ns: int) -> None:
        with self._lock:
            self._tell_changed(classes)
            self._last_stamp_ns = stamp_ns

    def _tell_changed(self, classes: ClassTable) -> None:
        if classes != self._told:
            self._tell(classes, self._last_stamp_ns)
            self._told = classes
