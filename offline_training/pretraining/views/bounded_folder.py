"""A cache folder of limited size. Touches the disk."""

from pathlib import Path

_WRITES_UNTIL_COUNTED = 256  # counts again, to include what other processes wrote


class BoundedFolder:
    """Says whether there is room for one more file of a kind.

    Nothing is evicted: a run reads its files in turn, so evicting the oldest would remove each one just before it is
    read. Several processes may exceed the size by what each writes between two counts.
    """

    def __init__(self, folder: Path, pattern: str, max_bytes: int) -> None:
        self.folder, self._pattern, self._max_bytes = folder, pattern, max_bytes
        self._bytes, self._writes = 0, 0

    def takes(self, size: int) -> bool:
        """Whether a file of about that many bytes may be written; call wrote() afterwards."""
        if self._writes % _WRITES_UNTIL_COUNTED == 0:
            self._bytes = sum(path.stat().st_size for path in self.folder.glob(self._pattern))
        return self._bytes + size <= self._max_bytes

    def wrote(self, path: Path) -> None:
        """Count a file by its size on disk."""
        self._bytes += path.stat().st_size
        self._writes += 1
