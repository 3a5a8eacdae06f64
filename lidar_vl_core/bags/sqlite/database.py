"""A sqlite3 file opened so that nothing in it can run code, block or exhaust memory; only plain tables are read."""

import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

MAX_VALUE_BYTES = 1 << 28  # of one message: a cloud of 8 million points at 32 bytes each
_MAX_WAIT_S = 10.0  # for the next rows of a query
_ROWS_PER_WAIT = 1000
_STEPS_PER_LOOK = 10_000  # of sqlite's machine, between two looks at the clock
_MAX_STATEMENT_BYTES = 100_000  # rosbag2 declares its tables in some hundred
_MAX_COLUMNS = 100
_SHOWN = 200  # characters of what sqlite says, which may repeat what the file says
_ERRORS = (sqlite3.Error, ValueError, OverflowError, MemoryError)  # ValueError: also of text that is not UTF-8


class DatabaseError(Exception):
    """A query cannot be answered; callers say what is lost by that."""


class Database:
    """Read-only queries, each with a deadline; whatever goes wrong is a DatabaseError."""

    def __init__(self, path: Path) -> None:
        self._until_s = 0.0
        try:
            self._connection = _connect(path)
        except sqlite3.Error as error:
            raise DatabaseError(_told(error)) from error
        self._connection.set_progress_handler(self._is_late, _STEPS_PER_LOOK)

    def rows(self, query: str, parameters: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, one by one. Raises DatabaseError."""
        self._wait_anew()
        try:
            for number, row in enumerate(self._connection.execute(query, parameters)):
                if number % _ROWS_PER_WAIT == 0:
                    self._wait_anew()
                yield row
        except _ERRORS as error:
            raise DatabaseError(_told(error)) from error

    def require_table(self, name: str, columns: tuple[str, ...]) -> None:
        """Raise DatabaseError for a view, a virtual table or computed columns."""
        found = list(self.rows("SELECT type, rootpage FROM sqlite_master WHERE lower(name) = ?", (name,)))
        if not found:
            raise DatabaseError(f"no such table: {name}")
        kind, root = found[0]
        if len(found) > 1 or kind != "table" or not isinstance(root, int) or root < 1:
            raise DatabaseError(f"{name} as a {kind if kind == 'view' else 'virtual table'}, not as a table")
        hidden = {row[1]: row[6] for row in self.rows(f"PRAGMA table_xinfo({name})")}
        for column in columns:
            if column not in hidden:
                raise DatabaseError(f"no such column: {name}.{column}")
            if hidden[column]:
                raise DatabaseError(f"{name}.{column} computed, not stored")

    def require_row_numbers(self, name: str) -> None:
        """Raise DatabaseError where a table's `id` is not sqlite's own number of each row, which is unique and found at once."""
        keys = [(row[1], str(row[2]).upper()) for row in self.rows(f"PRAGMA table_info({name})") if row[5]]
        has_index = any(row[3] == "pk" for row in self.rows(f"PRAGMA index_list({name})"))
        if keys != [("id", "INTEGER")] or has_index:
            raise DatabaseError(f"{name}.id not declared as INTEGER PRIMARY KEY, so that two rows may share one")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _wait_anew(self) -> None:
        self._until_s = time.monotonic() + _MAX_WAIT_S

    def _is_late(self) -> bool:
        return time.monotonic() > self._until_s


def _connect(path: Path) -> sqlite3.Connection:
    # A recorder that was killed leaves its last messages in a write-ahead log, which `immutable` would hide.
    log = path.with_name(path.name + "-wal")
    options = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?{options}", uri=True, check_same_thread=False)
    for setting in ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON", "mmap_size=0"):
        connection.execute(f"PRAGMA {setting}")
    if sys.version_info >= (3, 11):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _MAX_STATEMENT_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, _MAX_COLUMNS)
    return connection


def _told(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "text that is not UTF-8"
    if isinstance(error, MemoryError):
        return "a value that does not fit into memory"
    if str(error) == "interrupted":
        return f"a query without an answer in {_MAX_WAIT_S:g} s"
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(error)[:_SHOWN].split()))
