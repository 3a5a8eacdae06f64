"""A live recording that loses at most a second: it grows under its final name, and starts a new file on request."""

import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from lidar_vl_core.bags.writing.growing_file import GrowingFile, Written
from lidar_vl_core.bags.writing.metadata import metadata_yaml
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import write_text
from lidar_vl_core.foundation.message_types import message_types

_CHUNK_S = 1.0  # what a killed process may lose


@dataclass(frozen=True)
class Limits:
    """How large or long a file may get, and how much disk space must stay free; 0: no limit."""

    file_bytes: int = 0
    file_s: float = 0.0
    free_bytes: int = 0


class GrowingBag:
    """A recording that is open from the start until `close`.

    path: `name.mcap`, or a folder that does not exist yet (rosbag2's, of MCAP files). Files of a folder, and those of a
    recording with a limit for its files, are name_0.mcap, name_1.mcap, ...
    Raises BadRequest: where files of that name exist, where there is too little room, where the disk takes no more.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits,
        now_s: Callable[[], float] = time.monotonic,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        compression: str = "zstd",
    ) -> None:
        if path.suffix == ".db3":
            raise BadRequest(
                f"{path}: expected name.mcap or a new folder, found .db3: a sqlite3 file is lost as a whole when its "
                "recorder is killed. Record to .mcap."
            )
        self._path, self._limits = path, limits
        self._now_s, self._free_bytes, self._compression = now_s, free_bytes, compression
        self._is_folder = path.suffix != ".mcap"
        self._is_numbered = self._is_folder or bool(limits.file_bytes or limits.file_s)
        self._folder = path if self._is_folder else path.parent
        self._files: list[Written] = []
        self._file_s = self._chunk_s = now_s()  # when the file, the chunk began
        message_types()  # takes a while once: now, and not while the first message waits
        self._require_place()
        self._file = self._next_file()

    @property
    def counts(self) -> Counter[str]:
        """Topic -> number of messages in the files."""
        counts: Counter[str] = Counter()
        for file in self._files:
            for (topic, _), count in file.counts.items():
                counts[topic] += count
        return counts

    @property
    def told_files(self) -> str:
        """The files so far, in words: the first and the last of many."""
        first, last = (self._folder / file.name for file in (self._files[0], self._files[-1]))
        return f"{first}" if first == last else f"{first} to {last.name}"

    def has_room(self) -> bool:
        """Whether the disk has more free space than must stay free."""
        return self._limits.free_bytes == 0 or self._free_bytes(self._path.parent) > self._limits.free_bytes

    def write(self, topic: str, type_name: str, stamp_ns: int, data: bytes) -> None:
        """Append one message's CDR, recorded at `stamp_ns`. Raises BadRequest."""
        if self._file.closed:
            raise BadRequest(f"{self._path}: expected an open recording, found a closed one. Start a new one.")
        if not 0 <= stamp_ns < 1 << 63:
            raise BadRequest(
                f"topic {topic}: expected a message recorded at 0 to 2^63 - 1 ns, found {stamp_ns}. Correct the recorder's clock."
            )
        try:
            if self._file_is_full():
                self._file.finish(sync=False)  # would hold up what arrives now
                self._file = self._next_file()
            self._file.write(topic, type_name, stamp_ns, data)
        except OSError as error:
            raise self._broken(error) from error

    def close_chunk_in_time(self) -> None:
        """Call this several times a second: it writes everything older than a second to the file. Raises BadRequest."""
        if self._file.closed or self._now_s() - self._chunk_s < _CHUNK_S:
            return
        self._chunk_s = self._now_s()
        try:
            self._file.close_chunk()
        except OSError as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Finish the last file, and a folder's metadata.yaml. Raises BadRequest."""
        was_broken = self._file.closed
        try:
            if not was_broken:
                self._file.finish(sync=True)
        except OSError as error:
            was_broken = True
            raise self._broken(error) from error
        finally:
            self._write_metadata(may_fail=was_broken)

    def _require_place(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self.has_room():
                raise BadRequest(
                    f"{self._path}: expected more than {_mb(self._limits.free_bytes)} free on the disk, "
                    f"found {_mb(self._free_bytes(self._path.parent))}. Free space or choose another path."
                )
            if self._is_folder:
                if self._folder.exists():
                    raise self._taken(self._folder)
                self._folder.mkdir()
            # a later number would end the recording when its turn comes
            elif self._is_numbered and (older := sorted(self._folder.glob(f"{escape(self._path.stem)}_[0-9]*.mcap"))):
                raise self._taken(older[0])
        except OSError as error:
            raise self._no_place(error) from error

    def _next_file(self) -> GrowingFile:
        stem = self._path.name if self._is_folder else self._path.stem
        path = self._folder / f"{stem}_{len(self._files)}.mcap" if self._is_numbered else self._path
        try:
            file = GrowingFile(path, self._compression)
        except FileExistsError as error:
            raise self._taken(path) from error
        except OSError as error:
            raise self._no_place(error) from error
        self._files.append(file.written)
        self._file_s = self._chunk_s = self._now_s()
        return file

    def _file_is_full(self) -> bool:
        if not (self._file.written.counts or self._file.pending):
            return False
        return 0 < self._limits.file_bytes <= self._file.size or 0 < self._limits.file_s <= self._now_s() - self._file_s

    def _write_metadata(self, may_fail: bool) -> None:
        """Only at the end: one that lacked the newest file would hide it from readers."""
        if not self._is_folder:
            return
        try:
            write_text(self._folder / "metadata.yaml", metadata_yaml(self._files))
        except BadRequest:
            if not may_fail:
                raise

    def _broken(self, error: OSError) -> BadRequest:
        return BadRequest(
            f"{self._folder / self._files[-1].name}: can no longer be written: {error}. It is intact up to there: "
            f"{self.counts.total()} messages are recorded, the last {self._file.pending} are lost. "
            "Free space or choose another path."
        )

    def _taken(self, path: Path) -> BadRequest:
        return BadRequest(
            f"{path}: expected a new path, found an older file or folder. Remove it or choose a new name."
        )

    def _no_place(self, error: OSError) -> BadRequest:
        return BadRequest(
            f"{self._path}: expected a writable place, found: {error}. Free space or choose another path."
        )


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
