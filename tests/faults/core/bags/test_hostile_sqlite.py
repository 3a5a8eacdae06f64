"""Sqlite recordings made to wait, to fill the memory or to break their reader: refused in one line, or read right."""

import sqlite3
import struct
import time
from contextlib import closing

import pytest

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.foundation.errors import BadBag

KEY = "id INTEGER PRIMARY KEY"
TOPICS = f"CREATE TABLE topics({KEY}, name TEXT, type TEXT, serialization_format TEXT, offered_qos_profiles TEXT)"
MESSAGES = f"CREATE TABLE messages({KEY}, topic_id INTEGER, timestamp INTEGER, data BLOB)"
TOPIC = "INSERT INTO topics VALUES (1, '/a', 'std_msgs/msg/String', 'cdr', '')"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
THREE = [f"INSERT INTO messages VALUES ({n}, 1, {n}, x'000{n}')" for n in (1, 2, 3)]
TEXT_KEY = "CREATE TABLE messages(id TEXT PRIMARY KEY, topic_id, timestamp, data)"


def database_of(path, *statements):
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)
    return path


def rewritten(path, declaration, *statements):
    """A file whose schema says something else than the one its tables were made with."""
    change = f"UPDATE sqlite_master SET sql = '{declaration}' WHERE name = 'messages'"
    return database_of(path, TOPICS, TOPIC, MESSAGES, *statements, "PRAGMA writable_schema=ON", change)


def read(path):
    with open_bag(path) as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        return [(message.stamp_ns, message.data) for message in bag.messages()], bag.warnings, counts


REFUSED = {
    "an endless view of messages": (
        [
            TOPICS,
            TOPIC,
            f"CREATE VIEW messages AS {ENDLESS} SELECT x AS id, 1 AS topic_id, x AS timestamp, x'00' AS data FROM c",
        ],
        "messages as a view",
    ),
    "an endless view of topics": (
        [
            MESSAGES,
            f"CREATE VIEW Topics AS {ENDLESS} SELECT x AS id, 'a' AS name, 'b' AS type, 'cdr' AS serialization_format FROM c",
        ],
        "topics as a view",
    ),
    "a view of one huge value": (
        [TOPICS, "CREATE VIEW messages AS SELECT 1 AS id, 1 AS topic_id, 1 AS timestamp, zeroblob(900000000) AS data"],
        "messages as a view",
    ),
    "a computed column": (
        [TOPICS, TOPIC, f"CREATE TABLE messages({KEY}, topic_id, timestamp, data AS (zeroblob(900000000)))"],
        "messages.data computed",
    ),
    "a virtual table": (
        [TOPICS, "CREATE VIRTUAL TABLE messages USING fts5(topic_id, timestamp, data)"],
        "virtual table",
    ),
    "no key": ([TOPICS, "CREATE TABLE messages(id, topic_id, timestamp, data)"], "two rows may share one"),
    "two topics of one number": ([MESSAGES, TOPICS.replace(KEY, "id INTEGER"), TOPIC, TOPIC], "found others"),
    "a key of text": ([TOPICS, TEXT_KEY], "two rows may share one"),
    "a key that is no place": ([TOPICS, MESSAGES.replace(KEY, f"{KEY} DESC")], "two rows may share one"),
    "no rows by number": ([TOPICS, f"{MESSAGES} WITHOUT ROWID"], "two rows may share one"),
    "a column missing": ([TOPICS, MESSAGES.replace(", data BLOB", "")], "no such column: messages.data"),
    "no messages": ([TOPICS], "no such table: messages"),
    "a topic that is a number": (
        [TOPICS, MESSAGES, "INSERT INTO topics VALUES (1, x'61', 'b', 'cdr', '')"],
        "found others",
    ),
    "a topic without encoding": (
        [TOPICS, MESSAGES, "INSERT INTO topics VALUES (1, 'a', 'b', NULL, '')"],
        "found others",
    ),
    "a name of megabytes": (
        [TOPICS, MESSAGES, "INSERT INTO topics VALUES (1, hex(zeroblob(1000000)), 'b', 'cdr', '')"],
        "found others",
    ),
    "a name that is no UTF-8": (
        [TOPICS, MESSAGES, "INSERT INTO topics VALUES (1, CAST(x'61ff' AS TEXT), 'b', 'cdr', '')"],
        "UTF-8",
    ),
    "too many topics": (
        [TOPICS, MESSAGES, f"INSERT INTO topics {ENDLESS} SELECT x, 'a' || x, 'b', 'cdr', '' FROM c LIMIT 10001"],
        "at most 10000 topics",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_tables_that_no_recorder_makes_are_refused_at_once(tmp_path, kind):
    statements, reason = REFUSED[kind]
    path, start_s = database_of(tmp_path / "hostile.db3", *statements), time.monotonic()
    with pytest.raises(BadBag, match=reason) as told:
        read(path)
    assert str(path) in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert len(str(told.value)) < 1500
    assert time.monotonic() - start_s < 2


def test_a_declaration_that_is_no_text_or_no_sql_is_refused(tmp_path):
    for number, declaration in enumerate(("CREATE TABLE messages(", "CREATE TABL messages(id)", "x" * 200_000)):
        path = rewritten(tmp_path / f"{number}.db3", declaration)
        with pytest.raises(BadBag, match=r"expected a rosbag2 sqlite3 file"):
            read(path)
    path = database_of(tmp_path / "bytes.db3", TOPICS, TOPIC, MESSAGES)
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE messages", b"CREATE TABL\xd9 messages"))
    with pytest.raises(BadBag, match="UTF-8"):
        read(path)


def test_rows_of_other_types_are_left_out_and_told(tmp_path):
    odd = ["'x', 5, x'01'", "1, 'late', x'02'", "1, NULL, x'03'", "x'ff', 6, x'04'", "7, 7, x'05'", "1, -9, x'06'"]
    rows = [f"INSERT INTO messages (topic_id, timestamp, data) VALUES ({values})" for values in odd]
    path = database_of(tmp_path / "mixed.db3", TOPICS, TOPIC, MESSAGES, *THREE, *rows)
    messages, warnings, counts = read(path)
    assert messages == [(1, b"\0\1"), (2, b"\0\2"), (3, b"\0\3")]
    assert counts == {"/a": 3}
    assert len(warnings) == 1
    assert "found 6 without" in warnings[0]


def test_data_that_is_no_blob_is_lost_and_told(tmp_path):
    rows = [f"INSERT INTO messages VALUES ({n}, 1, {n}, {data})" for n, data in ((7, "'text'"), (8, "9"), (9, "NULL"))]
    messages, warnings, _ = read(database_of(tmp_path / "text.db3", TOPICS, TOPIC, MESSAGES, *THREE, *rows))
    assert [stamp for stamp, _ in messages] == [1, 2, 3]
    assert "found 3 damaged" in warnings[0]


@pytest.mark.parametrize("length", range(16, 100, 7))
def test_a_file_cut_within_its_header_is_refused(tmp_path, length):
    whole = database_of(tmp_path / "whole.db3", TOPICS, TOPIC, MESSAGES).read_bytes()
    (tmp_path / "short.db3").write_bytes(whole[:length])
    with pytest.raises(BadBag, match=f"expected an sqlite3 header of 100 bytes, found {length}"):
        open_bag(tmp_path / "short.db3")


def test_a_header_that_claims_any_size_takes_neither_time_nor_disk(tmp_path):
    whole = database_of(tmp_path / "whole.db3", TOPICS, TOPIC, MESSAGES, *THREE).read_bytes()
    for number, (page, pages) in enumerate([(1, 2**32 - 1), (4096, 2**31), (0, 9), (3, 2**32 - 1), (65535, 2**32 - 1)]):
        changed = bytearray(whole)
        changed[16:18], changed[28:32] = struct.pack(">H", page), struct.pack(">I", pages)
        path = tmp_path / f"claims_{number}.db3"
        path.write_bytes(changed)
        start_s = time.monotonic()
        try:
            messages, warnings, _ = read(path)
        except BadBag:
            messages, warnings = [], ["refused"]
        assert len(messages) in {0, 3}
        assert warnings
        assert time.monotonic() - start_s < 5


def table_of_pages(tmp_path):
    """A file whose table of messages has one page of pages above its rows, the number of that page, and the size of a page."""
    fill = f"INSERT INTO messages {ENDLESS} SELECT x, 1, x, zeroblob(1000) FROM c LIMIT 300"
    path = database_of(tmp_path / "tree.db3", "PRAGMA page_size=4096", TOPICS, TOPIC, MESSAGES, fill)
    with closing(sqlite3.connect(path)) as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()
    return path, root


def test_pages_that_are_listed_again_and_again_give_each_message_once(tmp_path):
    path, root = table_of_pages(tmp_path)
    content = bytearray(path.read_bytes())
    start = (root - 1) * 4096
    assert content[start] == 5  # a page of pages
    cells = struct.unpack_from(">H", content, start + 3)[0]
    first = struct.unpack_from(">H", content, start + 12)[0]
    leaf = content[start + first : start + first + 4]
    for cell in range(cells):
        place = start + struct.unpack_from(">H", content, start + 12 + 2 * cell)[0]
        content[place : place + 4] = leaf
    path.write_bytes(content)
    messages, warnings, counts = read(path)
    stamps = [stamp for stamp, _ in messages]
    assert len(stamps) == len(set(stamps)) == counts["/a"] < 300
    assert "rows out of order" in warnings[0]


def test_a_page_that_lists_itself_ends(tmp_path):
    path, root = table_of_pages(tmp_path)
    content = bytearray(path.read_bytes())
    start = (root - 1) * 4096
    cells = struct.unpack_from(">H", content, start + 3)[0]
    for cell in range(cells):
        place = start + struct.unpack_from(">H", content, start + 12 + 2 * cell)[0]
        content[place : place + 4] = struct.pack(">I", root)
    path.write_bytes(content)
    start_s = time.monotonic()
    messages, warnings, _ = read(path)
    assert len({stamp for stamp, _ in messages}) == len(messages)
    assert len(warnings) == 1
    assert time.monotonic() - start_s < 5


def test_messages_that_share_their_bytes_are_refused(tmp_path):
    rows = [f"INSERT INTO messages VALUES ({n}, 1, {n}, zeroblob(29140))" for n in (1, 2, 3)]
    path = database_of(tmp_path / "shared.db3", "PRAGMA page_size=4096", TOPICS, TOPIC, MESSAGES, *rows)
    content = bytearray(path.read_bytes())
    start = 2 * 4096  # the third page is that of the rows, each with the number of the page where its bytes go on
    first, second, _ = struct.unpack_from(">3H", content, start + 8)
    goes_on = content[start + 4092 : start + 4096]
    content[start + first - 4 : start + first] = content[start + second - 4 : start + second] = goes_on
    content[28:32] = struct.pack(">I", 11)
    path.write_bytes(content[: 11 * 4096])
    with pytest.raises(BadBag, match="several share their bytes"):
        read(path)


def test_a_table_too_long_for_the_time_there_is_is_read_in_part(tmp_path):
    rows = f"INSERT INTO messages {ENDLESS} SELECT x, 1, x, x'00' FROM c LIMIT 300000"
    path = database_of(tmp_path / "long.db3", TOPICS, TOPIC, MESSAGES, rows)
    with open_bag(path, 0.01) as bag:
        assert bag.topics[0].count < 300_000
        assert "part of it is left out" in bag.warnings[0]


def test_the_files_of_a_recording_share_its_number_of_messages(tmp_path, monkeypatch):
    monkeypatch.setattr("lidar_vl_core.bags.sqlite_file._MAX_MESSAGES", 5)
    for name in ("a_0.db3", "a_1.db3"):
        database_of(tmp_path / name, TOPICS, TOPIC, MESSAGES, *THREE)
    assert len(read(tmp_path / "a_0.db3")[0]) == 3
    with pytest.raises(BadBag, match="at most 5 messages in a recording"):
        open_bag(tmp_path)
