"""Keeps the last seconds of some topics in memory, as bytes, within a limit."""

import threading
from collections import deque
from dataclasses import dataclass, replace

from lidar_vl_core.bags.writing.topics import is_latched

_OF_A_MESSAGE = 400  # bytes that Python needs besides the payload
_MOST_LATCHED = 200  # messages: what publishers of /tf_static told, each once
CALIBRATIONS = (
    "sensor_msgs/msg/CameraInfo"  # the newest is kept where it is older than the ring: a driver may tell it once
)


@dataclass(frozen=True)
class RawMessage:
    """One message as received."""

    topic: str
    type_name: str
    stamp_ns: int  # when it came, on the node's clock
    cdr: bytes

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return len(self.cdr) + _OF_A_MESSAGE


class MessageRing:
    """Takes messages as they come and forgets those that are too old or too many; safe to use from several threads.

    What was told once for all, transforms of /tf_static and calibrations, is kept beside the last seconds and within the
    same limit of bytes.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._length_ns, self._max_bytes = round(seconds * 1e9), max_bytes
        self._lock = threading.Lock()
        self._messages: deque[RawMessage] = deque()
        self._standing: dict[tuple[str, bytes], RawMessage] = {}
        self._size = 0
        self._forgotten_early = 0

    def add(self, message: RawMessage) -> None:
        """Add a message. One older than the newest (the clock was set back) empties the ring first."""
        with self._lock:
            if self._messages and message.stamp_ns < self._messages[-1].stamp_ns:
                self._empty()
            if is_latched(message.topic):
                self._keep(message, message.cdr)
            else:
                self._messages.append(message)
                self._size += message.size
            self._forget(message.stamp_ns)

    def last_seconds(self) -> list[RawMessage]:
        """The messages in memory, oldest first; latched messages come first, stamped with the time of the first of the others."""
        with self._lock:
            messages = list(self._messages)
            standing = list(self._standing.values())
        start_ns = messages[0].stamp_ns if messages else 0
        return [*(replace(each, stamp_ns=start_ns) for each in standing), *messages]

    def clear(self) -> None:
        """Forget everything, latched messages too."""
        with self._lock:
            self._empty()
            for key in list(self._standing):
                self._drop(key)

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self._size

    @property
    def seconds(self) -> float:
        """Time from the oldest message to the newest."""
        with self._lock:
            return (self._messages[-1].stamp_ns - self._messages[0].stamp_ns) / 1e9 if self._messages else 0.0

    @property
    def forgotten_early(self) -> int:
        """Messages dropped early because of the byte limit."""
        return self._forgotten_early

    def _forget(self, now_ns: int) -> None:
        while self._messages and now_ns - self._messages[0].stamp_ns > self._length_ns:
            self._leave(self._messages.popleft())
        while self._messages and self._size > self._max_bytes:
            self._forgotten_early += 1
            self._leave(self._messages.popleft())

    def _leave(self, message: RawMessage) -> None:
        self._size -= message.size
        if message.type_name == CALIBRATIONS:
            self._keep(message, b"")  # in place of the one before

    def _keep(self, message: RawMessage, key: bytes) -> None:
        place = message.topic, key
        self._drop(place)
        self._standing[place] = message
        self._size += message.size
        if len(self._standing) > _MOST_LATCHED:
            self._drop(next(iter(self._standing)))

    def _drop(self, place: tuple[str, bytes]) -> None:
        before = self._standing.pop(place, None)
        if before is not None:
            self._size -= before.size

    def _empty(self) -> None:
        while self._messages:
            self._leave(self._messages.popleft())
