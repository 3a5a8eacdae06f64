"""One rosbag2 sqlite3 file (.db3), its messages in the order of their stamps, as far as it can be read."""

import time
from array import array
from collections.abc import Iterator, Set
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import numpy as np

from lidar_vl_core.bags.messages import BagMessage
from lidar_vl_core.bags.sqlite.cut_file import filled_up
from lidar_vl_core.bags.sqlite.database import MAX_VALUE_BYTES, Database, DatabaseError
from lidar_vl_core.bags.unpacking import Allowance
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.foundation.message_types import full_type_name

MAGIC = b"SQLite format 3\0"
_MAX_TOPICS = 10_000
_MAX_NAME_LENGTH = 1000
_MAX_MESSAGES = 10_000_000  # in all files: 24 bytes of memory each
_ROWS_PER_LOOK = 10_000  # between two looks at the clock
_LEAST_ROW_BYTES = 8
_MAX_FAILING_S = 10.0  # spent on messages that cannot be read
_TOPICS = "SELECT id, substr(name, 1, ?), substr(type, 1, ?), substr(serialization_format, 1, ?) FROM topics LIMIT ?"
_DATA = "SELECT data FROM messages NOT INDEXED WHERE id = ? AND typeof(data) = 'blob' AND length(data) <= ?"


class SqliteFile:
    """Reads the tables `topics` and `messages`; `warnings` says what is lost in a damaged file."""

    def __init__(self, path: Path, allowance: Allowance) -> None:
        self.path = path
        self._allowance = allowance
        self.warnings: list[str] = []
        self._stack = ExitStack()
        self._failing_s = 0.0
        self._size = sum(each.stat().st_size for each in (path, path.with_name(f"{path.name}-wal")) if each.exists())
        try:
            # A cut file is read through two copies, filled up differently: what differs between them was not recorded.
            copies = filled_up(path, self._stack) or [path]
            self._topics = self._open(copies)
            self._rows = self._salvaged("it cut off") if len(copies) > 1 else self._scanned()
            allowance.change("rows", len(self._rows))
        except BaseException:
            self.close()
            raise

    @property
    def start_ns(self) -> int:
        """Stamp of the earliest message."""
        return int(self._rows[:, 0].min()) if len(self._rows) else 0

    @property
    def topics(self) -> list[tuple[str, str, str, int]]:
        """(topic, type, encoding, number of messages) of each topic."""
        numbers, found = np.unique(self._rows[:, 2], return_counts=True)
        counts = dict(zip(numbers.tolist(), found.tolist(), strict=True))
        return [(*topic, counts.get(number, 0)) for number, topic in self._topics.items()]

    def messages(self, topics: Set[str]) -> Iterator[BagMessage]:
        """Each readable message on these topics, by stamp."""
        wanted = [number for number, topic in self._topics.items() if topic[0] in topics]
        rows = self._rows[np.isin(self._rows[:, 2], wanted)]
        lost, left_bytes = 0, self._size
        for place in np.lexsort((rows[:, 1], rows[:, 0])):
            stamp_ns, number, topic_id = rows[place].tolist()
            data = self._data(number)
            if data is None:
                lost += 1
                continue
            left_bytes = self._taken(left_bytes, data)
            name, type_name, encoding = self._topics[topic_id]
            yield BagMessage(name, type_name, stamp_ns, data, encoding)
        if lost:
            self._warn(f"expected readable messages, found {lost} damaged: they are left out")

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def _open(self, copies: list[Path]) -> dict[int, tuple[str, str, str]]:
        try:
            self._databases = [self._stack.enter_context(closing(Database(copy))) for copy in copies]
            first = self._databases[0]
            first.require_table("topics", ("id", "name", "type", "serialization_format"))
            first.require_table("messages", ("id", "topic_id", "timestamp", "data"))
            first.require_row_numbers("messages")
            rows = list(first.rows(_TOPICS, (*[_MAX_NAME_LENGTH + 1] * 3, _MAX_TOPICS + 1)))
        except DatabaseError as error:
            raise BadBag(
                f"{self.path}: expected a rosbag2 sqlite3 file with a table of topics, found: {error}. "
                "It is damaged at its start or not a bag: copy it again, or check the path."
            ) from error
        if len(rows) > _MAX_TOPICS:
            raise BadBag(f"{self.path}: expected at most {_MAX_TOPICS} topics, found more. The file is damaged.")
        topics = {}
        for number, *texts in rows:
            are_names = all(isinstance(text, str) and len(text) <= _MAX_NAME_LENGTH for text in texts)
            if not are_names or not isinstance(number, int) or number in topics:
                raise BadBag(
                    f"{self.path}: expected topics with numbers of their own, names and types, found others. The file is damaged."
                )
            name, type_name, encoding = texts
            topics[number] = (name, full_type_name(type_name), encoding)
        return topics

    def _scanned(self) -> np.ndarray:
        """(stamp, id, topic id) of each message; what leads to a whole one where the table is damaged."""
        values = array("q")
        try:
            odd = self._scan(values, "ASC")
        except DatabaseError as error:
            return self._salvaged(str(error))
        if odd:
            self._warn(f"expected messages with a topic and a stamp, found {odd} without: they are left out")
        return np.frombuffer(values, np.int64).reshape(-1, 3) if values else np.empty((0, 3), np.int64)

    def _scan(self, values: array, direction: str) -> int:
        """Add (stamp, id, topic id) of each row with a known topic and a stamp; returns the number of others."""
        most = min(_MAX_MESSAGES - self._allowance.change("rows", 0), self._size // _LEAST_ROW_BYTES)
        query = f"SELECT timestamp, id, topic_id FROM messages NOT INDEXED ORDER BY id {direction}"  # noqa: S608  two constants
        odd, last = 0, None
        for place, (stamp_ns, number, topic_id) in enumerate(self._databases[0].rows(query)):
            if place % _ROWS_PER_LOOK == 0 and self._allowance.is_late():
                break
            if place >= most:
                raise BadBag(
                    f"{self.path}: expected at most {_MAX_MESSAGES} messages in a recording, and {most} in this file, found more. "
                    "The file is damaged, or must be split."
                )
            if last is not None and (number <= last if direction == "ASC" else number >= last):
                raise DatabaseError("its rows out of order")
            last = number
            if isinstance(stamp_ns, int) and stamp_ns >= 0 and topic_id in self._topics:
                values.extend((stamp_ns, number, int(topic_id)))
            else:
                odd += 1
        return odd

    def _salvaged(self, problem: str) -> np.ndarray:
        """The rows that lead to a whole message, looked for from both ends of the table until the damage."""
        values = array("q")
        for direction in ("ASC", "DESC"):
            with suppress(DatabaseError):
                self._scan(values, direction)
        found = np.array(values, np.int64).reshape(-1, 3)
        found = found[np.unique(found[:, 1], return_index=True)[1]]
        left_bytes, whole = self._size, np.zeros(len(found), bool)
        for place, number in enumerate(found[:, 1].tolist()):
            if self._allowance.is_late():
                break
            data = self._data(number)
            if data is not None:
                left_bytes = self._taken(left_bytes, data)
                whole[place] = True
        self._warn(f"expected an intact sqlite3 file, found {problem}: its {whole.sum()} complete messages are read")
        return found[whole]

    def _data(self, number: int) -> bytes | None:
        start_s = time.monotonic()
        try:
            versions = [list(database.rows(_DATA, (number, MAX_VALUE_BYTES))) for database in self._databases]
        except DatabaseError:
            self._failing_s += time.monotonic() - start_s
            if self._failing_s > _MAX_FAILING_S:
                raise BadBag(
                    f"{self.path}: expected readable messages, found so much damage that looking for them was "
                    f"stopped after {_MAX_FAILING_S:g} s. Copy it again if the original is intact."
                ) from None
            return None
        return versions[0][0][0] if versions[0] and all(rows == versions[0] for rows in versions) else None

    def _taken(self, left_bytes: int, data: bytes) -> int:
        """What is left to give out: no file holds more bytes of messages than it is long."""
        if len(data) > left_bytes:
            raise BadBag(
                f"{self.path}: expected messages of {self._size} bytes at most, as the file is that long, found more: "
                "several share their bytes. The file is damaged."
            )
        return left_bytes - len(data)

    def _warn(self, text: str) -> None:
        warning = f"{self.path.name}: {text}. Copy it again if the original is intact."
        if warning not in self.warnings:
            self.warnings.append(warning)
