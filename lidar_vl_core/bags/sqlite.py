"""One rosbag2 sqlite3 file (.db3), its messages in the order of their stamps, as far as it can be read."""

import os
import shutil
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator, Set
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from lidar_vl_core.bags.messages import BagMessage
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.foundation.message_types import full_type_name

MAGIC = b"SQLite format 3\0"
_LONGEST_MESSAGE_BYTES = 1 << 26  # of the message that was being written where the file ends


class SqliteFile:
    """Reads the tables `topics` and `messages`; `warnings` tells what is lost in a damaged file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._stack = ExitStack()
        self._rows: list[tuple[int, int, int]] | None = None  # of a damaged file: what can be read, found out once
        # A cut file is read through two copies, filled up differently: what differs between them was not recorded.
        copies = _filled_up(path, self._stack) or [path]
        self._databases = [self._stack.enter_context(closing(_connect(copy))) for copy in copies]
        try:
            self._topics = self._read_topics()
            if len(copies) > 1:
                self._rows = self._salvaged("it cut off")
            self._counts = self._count()
        except BaseException:
            self.close()
            raise

    @property
    def topics(self) -> list[tuple[str, str, str, int]]:
        """(topic, type, encoding, number of messages) of each topic."""
        return [(*topic, self._counts.get(number, 0)) for number, topic in self._topics.items()]

    def messages(self, topics: Set[str]) -> Iterator[BagMessage]:
        """Each readable message on these topics, by stamp."""
        lost = 0
        for stamp_ns, number, topic_id in self._order(topics):
            data = self._data(number)
            if data is None:
                lost += 1
                continue
            name, type_name, encoding = self._topics[topic_id]
            yield BagMessage(name, type_name, stamp_ns, data, encoding)
        if lost:
            self._warn(f"expected readable messages, found {lost} damaged: they are left out")

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def _read_topics(self) -> dict[int, tuple[str, str, str]]:
        try:
            rows = (
                self._databases[0]
                .execute("SELECT id, name, type, serialization_format FROM topics ORDER BY id")
                .fetchall()
            )
        except sqlite3.Error as error:
            raise BadBag(
                f"{self.path}: expected a rosbag2 sqlite3 file with a table of topics, found: {error}. "
                "It is damaged at its start or no bag: copy it again, or check the path."
            ) from error
        topics = {}
        for number, name, type_name, encoding in rows:
            if not (isinstance(number, int) and isinstance(name, str) and isinstance(type_name, str)):
                raise BadBag(f"{self.path}: expected topics with names and types, found others. The file is damaged.")
            topics[number] = (name, full_type_name(type_name), str(encoding))
        return topics

    def _count(self) -> dict[int, int]:
        if self._rows is None:
            try:
                return dict(self._databases[0].execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id"))
            except sqlite3.Error as error:
                self._rows = self._salvaged(str(error))
        return Counter(topic_id for _, _, topic_id in self._rows)

    def _order(self, topics: Set[str]) -> list[tuple[int, int, int]]:
        """(stamp, id, topic id) of the messages on these topics, by stamp and id."""
        wanted = {number for number, topic in self._topics.items() if topic[0] in topics}
        rows = self._rows
        if rows is None:
            try:
                rows = self._databases[0].execute("SELECT timestamp, id, topic_id FROM messages").fetchall()
            except sqlite3.Error as error:
                rows = self._rows = self._salvaged(str(error))
        return sorted(row for row in rows if row[2] in wanted and isinstance(row[0], int))

    def _salvaged(self, problem: str) -> list[tuple[int, int, int]]:
        """The rows that lead to a whole message, looked for from both ends of the table until the damage."""
        rows: set[tuple[int, int, int]] = set()
        for direction in ("ASC", "DESC"):
            query = f"SELECT timestamp, id, topic_id FROM messages NOT INDEXED ORDER BY id {direction}"  # noqa: S608  two constants
            with suppress(sqlite3.Error):
                rows.update(self._databases[0].execute(query))
        whole = [row for row in rows if row[2] in self._topics and self._data(row[1]) is not None]
        self._warn(f"expected a whole sqlite3 file, found {problem}: its {len(whole)} whole messages are read")
        return whole

    def _data(self, number: int) -> bytes | None:
        found = set()
        for database in self._databases:
            try:
                row = database.execute("SELECT data FROM messages WHERE id = ?", (number,)).fetchone()
            except sqlite3.Error:
                return None
            found.add(row[0] if row and isinstance(row[0], bytes) else None)
        return found.pop() if len(found) == 1 else None

    def _warn(self, text: str) -> None:
        warning = f"{self.path.name}: {text}. Copy it again if the original is whole."
        if warning not in self.warnings:
            self.warnings.append(warning)


def _missing_bytes(path: Path) -> int:
    """How much shorter the file is than its own header says; 0 for files so old that it does not say."""
    with path.open("rb") as handle:
        head = handle.read(100)
        page_size, pages = struct.unpack_from(">H", head, 16)[0], struct.unpack_from(">I", head, 28)[0]
        return max((65536 if page_size == 1 else page_size) * pages - handle.seek(0, 2), 0)


def _filled_up(path: Path, stack: ExitStack) -> list[Path]:
    """Two copies of a cut file, as long as it should be; SQLite refuses a short one, but reads around damaged pages."""
    missing = _missing_bytes(path)
    if not missing:
        return []
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="lidar_vl_bag_")))
    copies = [folder / f"{fill}_{path.name}" for fill in (0, 255)]
    try:
        for copy, fill in zip(copies, (b"\0", b"\xff"), strict=True):
            shutil.copyfile(path, copy)
            with copy.open("ab") as handle:
                handle.write(fill * min(missing, _LONGEST_MESSAGE_BYTES))
            os.truncate(copy, path.stat().st_size + missing)  # zeros that take no room on the disk
    except OSError as error:
        stack.close()
        raise BadBag(
            f"{path}: expected room for copies of a cut file, found: {error}. Set TMPDIR elsewhere."
        ) from error
    return copies


def _connect(path: Path) -> sqlite3.Connection:
    # A recorder that was killed leaves its last messages in a write-ahead log, which `immutable` would hide.
    log = path.with_name(path.name + "-wal")
    options = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
    try:
        return sqlite3.connect(f"file:{quote(str(path.resolve()))}?{options}", uri=True, check_same_thread=False)
    except sqlite3.Error as error:
        raise BadBag(f"{path}: expected a readable sqlite3 file, found: {error}. Check the path.") from error
