"""A cache of scenes that are read repeatedly: as many as fit into a memory limit are kept."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_MOST_BYTES = 2_000_000_000  # of one process


class KeptScenes(Generic[T]):
    """Reads scenes by number, those that fit only once. A copy for another process starts empty."""

    def __init__(self, read: Callable[[int], T], bytes_of: Callable[[T], int], most_bytes: int = _MOST_BYTES) -> None:
        """bytes_of: memory that a scene takes; both must be picklable if the scenes go to loader processes."""
        self._read, self._bytes_of, self._most_bytes = read, bytes_of, most_bytes
        self._kept: dict[int, T] = {}
        self._bytes = 0

    def __call__(self, number: int) -> T:
        """The scene of that number."""
        if number in self._kept:
            return self._kept[number]
        scene = self._read(number)
        size = self._bytes_of(scene)
        if self._bytes + size <= self._most_bytes:
            self._kept[number] = scene
            self._bytes += size
        return scene

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}, "_bytes": 0}
