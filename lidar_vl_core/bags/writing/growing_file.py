"""One MCAP that grows under its final name, chunk by chunk, and is readable up to the last of them at any moment."""

import io
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lidar_vl_core.bags.writing.mcap_stream import CHUNK_BYTES, McapStream

_NEVER = 1 << 62  # chunks are closed here, not by the writer below


@dataclass
class Written:
    """The messages of whole chunks in one file."""

    name: str
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # (topic, type) -> messages
    start_ns: int = 0  # of the earliest message
    end_ns: int = 0

    def add(self, messages: list[tuple[str, str, int]]) -> None:
        """Count (topic, type, stamp) of messages that are now in the file."""
        stamps = [stamp_ns for _, _, stamp_ns in messages]
        stamps += [self.start_ns, self.end_ns] if self.counts else []
        self.start_ns, self.end_ns = min(stamps, default=0), max(stamps, default=0)
        self.counts.update((topic, type_name) for topic, type_name, _ in messages)


class GrowingFile:
    """An MCAP file being written. Raises OSError where it exists, cannot be created or cannot grow.

    A file that cannot grow is cut back to its last whole chunk, ended there as MCAP allows, and closed.
    """

    def __init__(self, path: Path, compression: str) -> None:
        self.written = Written(path.name)
        self.size = 0  # bytes on the disk
        self._file = path.open("xb", buffering=0)
        self._staged = _Staged()
        self._stream = McapStream(self._staged, compression, _NEVER)
        self._pending: list[tuple[str, str, int]] = []
        self._pending_bytes = 0
        self._put()

    @property
    def closed(self) -> bool:
        """Whether the file is finished, successfully or not."""
        return self._file.closed

    @property
    def pending(self) -> int:
        """Messages that are not in the file yet."""
        return len(self._pending)

    def write(self, topic: str, type_name: str, stamp_ns: int, data: bytes) -> None:
        """Append one message; it is in the file when its chunk is closed, at the latest after 1 MiB."""
        self._stream.write(topic, type_name, stamp_ns, data)
        self._pending.append((topic, type_name, stamp_ns))
        self._pending_bytes += len(data)
        if self._pending_bytes >= CHUNK_BYTES:
            self.close_chunk()

    def close_chunk(self) -> None:
        """Write all messages so far to the file; they survive a process that is killed afterwards."""
        if not self._pending:
            return
        self._stream.close_chunk()
        self._put()
        self.written.add(self._pending)
        self._pending, self._pending_bytes = [], 0

    def finish(self, sync: bool) -> None:
        """Write the summary and close the file. sync: wait until it would survive a loss of power."""
        self.close_chunk()
        self._stream.finish()
        self._put()
        if sync:
            os.fsync(self._file.fileno())
        self._file.close()

    def _put(self) -> None:
        rest = memoryview(self._staged.take())
        length = len(rest)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._end_here()
            raise
        self.size += length

    def _end_here(self) -> None:
        """Without a summary: the room of a broken chunk is enough for the end, or else readers tell that it lacks."""
        with suppress(OSError):
            self._file.truncate(self.size)
            self._file.seek(self.size)
            self._file.write(_end_without_summary())
        self._file.close()


class _Staged(io.BytesIO):
    """Takes what the writer hands out until it goes to the disk in one piece; places count from the file's start."""

    def __init__(self) -> None:
        super().__init__()
        self._before = 0

    def tell(self) -> int:
        return self._before + super().tell()

    def take(self) -> bytes:
        piece = self.getvalue()
        self._before += len(piece)
        self.seek(0)
        self.truncate(0)
        return piece


def _end_without_summary() -> bytes:
    from mcap.data_stream import RecordBuilder
    from mcap.records import DataEnd, Footer
    from mcap.writer import MCAP0_MAGIC

    builder = RecordBuilder()
    DataEnd(data_section_crc=0).write(builder)  # 0: none
    Footer(summary_start=0, summary_offset_start=0, summary_crc=0).write(builder)
    return bytes(builder.end()) + MCAP0_MAGIC
