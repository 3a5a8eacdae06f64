"""Writes a recording completely or not at all: one MCAP file, one sqlite3 file, or a rosbag2 folder with a sqlite3 file."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from lidar_vl_core.bags.writing.mcap_stream import McapStream
from lidar_vl_core.bags.writing.topics import definition_and_hash, is_latched
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import atomic_writer
from lidar_vl_core.foundation.message_types import message_types, to_cdr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rosbags.interfaces import Connection, Qos


class _Storage(Protocol):
    def write(self, topic: str, type_name: str, stamp_ns: int, data: bytes) -> None: ...
    def finish(self) -> None: ...


class BagWriter:
    """Writes a recording under a temporary name and moves it to `path` when the `with` block ends without an error.

    path: `name.mcap` (one file, compressed chunks with checksums), `name.db3` (one sqlite3 file) or a folder that does
    not exist yet (rosbag2's sqlite3 with metadata.yaml). compression: of an MCAP's chunks; "zstd" packs best, "lz4"
    takes a fraction of the time. What arrives live belongs into a `GrowingBag`. Raises BadRequest.
    """

    def __init__(self, path: Path | str, compression: str = "zstd") -> None:
        self.path = Path(path)
        if compression not in ("zstd", "lz4", "none"):
            raise BadRequest(f"compression: expected zstd, lz4 or none, found {compression}.")
        self._compression = compression
        self._stack = ExitStack()
        self._storage: _Storage | None = None

    def __enter__(self) -> "BagWriter":
        if self.path.is_dir():
            raise BadRequest(f"{self.path}: expected a new path, found a folder. Remove it or choose another.")
        message_types()  # takes a while once: now, and not while a recorder's first message waits
        try:
            if self.path.suffix == ".mcap":
                handle = self._stack.enter_context(atomic_writer(self.path))
                self._storage = McapStream(handle, self._compression)
            else:
                self._storage = _Rosbag2Storage(self._stack, self.path)
        except BaseException:
            self._stack.close()
            raise
        return self

    def write(self, topic: str, type_name: str, stamp_ns: int, message: object) -> None:
        """Append one message: an object of `message_types()` or its CDR bytes, recorded at `stamp_ns`.

        Raises BadRequest.
        """
        if self._storage is None:
            raise BadRequest(
                f"{self.path}: expected an open recording, found a closed one. Write inside `with BagWriter(...)`."
            )
        if not 0 <= stamp_ns < 1 << 63:
            raise BadRequest(
                f"topic {topic}: expected a message recorded at 0 to 2^63 - 1 ns, found {stamp_ns}. Correct the recorder's clock."
            )
        data = bytes(message) if isinstance(message, bytes | bytearray | memoryview) else to_cdr(message, type_name)
        self._storage.write(topic, type_name, stamp_ns, data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        storage, self._storage = self._storage, None
        if error is not None or storage is None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:  # an error here reaches the stack, too: nothing is moved into place
            storage.finish()


class _Rosbag2Storage:
    def __init__(self, stack: ExitStack, path: Path) -> None:
        from rosbags.rosbag2 import Writer

        self._path = path
        with _reported(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = stack.enter_context(TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
            self._folder = Path(scratch, path.stem if path.suffix == ".db3" else path.name)
            self._writer = Writer(self._folder, version=9)
            self._writer.open()
        stack.callback(self._writer.abort)
        self._connections: dict[tuple[str, str], Connection] = {}

    def write(self, topic: str, type_name: str, stamp_ns: int, data: bytes) -> None:
        if (topic, type_name) not in self._connections:
            definition, hash_ = definition_and_hash(type_name)
            if not definition:
                raise BadRequest(
                    f"topic {topic}: expected a message of ROS 2's common types, found {type_name}. "
                    "rosbag2's sqlite3 files hold definitions; write an .mcap file, which does not need them."
                )
            self._connections[topic, type_name] = self._writer.add_connection(
                topic, type_name, msgdef=definition, rihs01=hash_, offered_qos_profiles=_qos(topic)
            )
        with _reported(self._path):
            self._writer.write(self._connections[topic, type_name], stamp_ns, data)

    def finish(self) -> None:
        with _reported(self._path):
            self._writer.close()
            source = self._folder / f"{self._folder.name}.db3" if self._path.suffix == ".db3" else self._folder
            os.replace(source, self._path)


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise BadRequest(
            f"{path}: expected a writable place, found: {error}. Free space or choose another path."
        ) from error


def _qos(topic: str) -> "Sequence[Qos]":
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    if not is_latched(topic):
        return ()
    never = QosTime(9223372036, 854775807)
    latched = Qos(
        QosHistory.KEEP_LAST,
        1,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL,
        never,
        never,
        QosLiveliness.AUTOMATIC,
        never,
        False,
    )
    return (latched,)
