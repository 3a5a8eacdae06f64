"""One rosbag2 sqlite3 file (.db3), its messages in the order of their stamps, as far as it can be read."""

import sqlite3
from collections.abc import Iterator, Set
from pathlib import Path
from urllib.parse import quote

from lidar_vl_core.errors import BadBag
from lidar_vl_core.message_types import full_type_name

MAGIC = b"SQLite format 3\0"


class SqliteFile:
    """Reads the tables `topics` and `messages`; `warnings` tells what is lost in a damaged file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._database = _connect(path)
        try:
            self._topics = self._read_topics()
        except BaseException:
            self.close()
            raise

    @property
    def topics(self) -> list[tuple[str, str, str, int]]:
        """(topic, type, encoding, number of messages) of each topic."""
        return [(*topic, self._counts.get(number, 0)) for number, topic in self._topics.items()]

    def messages(self, topics: Set[str]) -> Iterator[tuple[int, str, str, bytes]]:
        """(stamp, topic, type, bytes) of each readable message on these topics, by stamp."""
        lost = 0
        for stamp_ns, number, topic_id in self._order(topics):
            data = self._data(number)
            if data is None:
                lost += 1
                continue
            name, type_name, _ = self._topics[topic_id]
            yield stamp_ns, name, type_name, data
        if lost:
            self._warn(f"expected readable messages, found {lost} damaged: they are left out")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _read_topics(self) -> dict[int, tuple[str, str, str]]:
        try:
            rows = self._database.execute(
                "SELECT id, name, type, serialization_format FROM topics ORDER BY id"
            ).fetchall()
        except sqlite3.Error as error:
            raise BadBag(
                f"{self.path}: expected a rosbag2 sqlite3 file with a table of topics, found: {error}. "
                "It is damaged at its start or no bag; copy or record it again."
            ) from error
        topics = {}
        for number, name, type_name, encoding in rows:
            if not (isinstance(number, int) and isinstance(name, str) and isinstance(type_name, str)):
                raise BadBag(f"{self.path}: expected topics with names and types, found others. The file is damaged.")
            topics[number] = (name, full_type_name(type_name), str(encoding))
        self._counts = self._count()
        return topics

    def _count(self) -> dict[int, int]:
        try:
            return dict(self._database.execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id"))
        except sqlite3.Error:
            counts: dict[int, int] = {}
            for _, _, topic_id in self._salvaged():
                counts[topic_id] = counts.get(topic_id, 0) + 1
            return counts

    def _order(self, topics: Set[str]) -> list[tuple[int, int, int]]:
        """(stamp, id, topic id) of the messages on these topics, by stamp and id."""
        wanted = {number for number, topic in self._topics.items() if topic[0] in topics}
        try:
            query = "SELECT timestamp, id, topic_id FROM messages ORDER BY timestamp, id"
            rows = self._database.execute(query).fetchall()
        except sqlite3.Error:
            rows = self._salvaged()
        return sorted(row for row in rows if row[2] in wanted and isinstance(row[0], int))

    def _salvaged(self) -> list[tuple[int, int, int]]:
        """Rows read from both ends of the table until the damage."""
        rows: set[tuple[int, int, int]] = set()
        problem = ""
        for direction in ("ASC", "DESC"):
            query = f"SELECT timestamp, id, topic_id FROM messages NOT INDEXED ORDER BY id {direction}"  # noqa: S608  two constants
            try:
                for row in self._database.execute(query):
                    rows.add(row)
            except sqlite3.Error as error:
                problem = str(error)
        self._warn(
            f"expected a whole sqlite3 file, found: {problem}: {len(rows)} messages could be reached, others are lost"
        )
        return list(rows)

    def _data(self, number: int) -> bytes | None:
        try:
            row = self._database.execute("SELECT data FROM messages WHERE id = ?", (number,)).fetchone()
        except sqlite3.Error:
            return None
        return row[0] if row and isinstance(row[0], bytes) else None

    def _warn(self, text: str) -> None:
        warning = f"{self.path.name}: {text}. Copy or record it again if you need the rest."
        if warning not in self.warnings:
            self.warnings.append(warning)


def _connect(path: Path) -> sqlite3.Connection:
    # A recorder that was killed leaves its last messages in a write-ahead log, which `immutable` would hide.
    log = path.with_name(path.name + "-wal")
    options = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
    try:
        return sqlite3.connect(f"file:{quote(str(path.resolve()))}?{options}", uri=True, check_same_thread=False)
    except sqlite3.Error as error:
        raise BadBag(f"{path}: expected a readable sqlite3 file, found: {error}. Check the path.") from error
