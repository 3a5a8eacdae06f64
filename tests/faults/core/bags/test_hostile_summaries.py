"""Summaries of an MCAP that count, list or point to what is not there: read or told, in little memory and time."""

import struct
import tracemalloc

import pytest
from mcap.records import DataEnd, Footer, Header, Statistics

from lidar_vl_core.bags.reader import open_bag
from tests.faults.core.bags.hostile_recordings import CHANNEL, SCHEMA, chunked, message, plain, read
from tests.written.bag_records import MCAP_MAGIC, packed


def counted(numbers):
    return struct.pack("<I", 10 * len(numbers)) + b"".join(struct.pack("<HQ", number, 1) for number in numbers)


def with_summary(*records):
    data = MCAP_MAGIC + packed(Header("ros2", ""), SCHEMA, CHANNEL, message(), DataEnd(0))
    return data + packed(SCHEMA, CHANNEL) + b"".join(records) + packed(Footer(len(data), 0, 0)) + MCAP_MAGIC


def record(opcode, body):
    return bytes([opcode]) + struct.pack("<Q", len(body)) + body


def listed_chunk(offset, length=100, channels=(1,), index_bytes=0):
    sizes = struct.pack("<QI", index_bytes, 0) + struct.pack("<QQ", 1, 1)
    return record(8, struct.pack("<QQQQ", 5, 5, offset, length) + counted(channels) + sizes)


def test_the_metadata_of_a_topic_are_not_unpacked_however_many_they_are(tmp_path):
    entry = struct.pack("<I", 8) + b"%08d" + struct.pack("<I", 0)
    metadata = b"".join(entry % number for number in range(200_000))
    head = struct.pack("<HHI", 1, 1, 2) + b"/a" + struct.pack("<I", 3) + b"cdr"
    channel = record(4, head + struct.pack("<I", len(metadata)) + metadata)
    content = (
        MCAP_MAGIC
        + packed(Header("ros2", ""), SCHEMA)
        + channel
        + packed(message(), DataEnd(0), Footer(0, 0, 0))
        + MCAP_MAGIC
    )
    tracemalloc.start()
    assert read(tmp_path / "metadata.mcap", content) == ([("/a", 5)], [])
    assert tracemalloc.get_traced_memory()[1] < 3 * len(content)
    tracemalloc.stop()


def test_a_summary_that_counts_more_channels_than_there_are_ids_is_damaged(tmp_path):
    statistics = record(11, struct.pack("<QHIIIIQQ", 1, 1, 1, 0, 0, 1, 5, 5) + counted([1] * 70_000))
    found, (warning,) = read(tmp_path / "counts.mcap", with_summary(statistics))
    assert found == [("/a", 5)]
    assert "damaged summary" in warning


def test_beyond_a_number_of_ids_it_is_not_known_what_a_chunk_holds_and_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("lidar_vl_core.bags.mcap_summary._MAX_CHANNEL_IDS", 2)
    chunks = [plain(packed(message(stamp))) for stamp in (5, 6, 7)]
    content = chunked(*chunks, message_index_offsets={2: 0, 3: 0, 4: 0}, count=3)
    assert ("/a", 6) in read(tmp_path / "ids.mcap", content)[0]


def test_a_chunk_or_an_index_of_gigabytes_costs_no_memory(tmp_path):
    place = len(MCAP_MAGIC + packed(Header("ros2", ""), SCHEMA, CHANNEL, message(), DataEnd(0)))
    for claimed in ({"length": 1 << 33}, {"index_bytes": 1 << 33}):
        path = tmp_path / "wide.mcap"
        statistics = record(11, struct.pack("<QHIIIIQQ", 1, 1, 1, 0, 0, 1, 5, 5) + counted([1]))
        with path.open("wb") as file:
            file.write(MCAP_MAGIC + packed(Header("ros2", ""), SCHEMA, CHANNEL, message(), DataEnd(0)))
            file.seek(1 << 34)  # takes no room on the disk
            start = file.tell()
            file.write(
                packed(SCHEMA, CHANNEL)
                + listed_chunk(place, **claimed)
                + statistics
                + packed(Footer(start, 0, 0))
                + MCAP_MAGIC
            )
        tracemalloc.start()
        with open_bag(path) as bag:
            assert list(bag.messages()) == []
            assert bag.warnings
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        tracemalloc.stop()


@pytest.mark.parametrize(
    "claimed",
    [
        {"chunk_start_offset": 2**63},
        {"chunk_start_offset": 2**64 - 1},
        {"chunk_length": 2**64 - 1},
        {"chunk_length": 3},
        {"message_index_length": 2**63},
        {"message_start_time": 2**64 - 1, "message_end_time": 0},
        {"message_index_offsets": {1: 2**64 - 1}},
        {"message_index_offsets": {7: 0}},
    ],
)
def test_a_summary_that_points_anywhere_is_read_or_told(tmp_path, claimed):
    found, warnings = read(tmp_path / "far.mcap", chunked(plain(packed(message())), **claimed))
    assert found == [("/a", 5)] or warnings


def test_a_summary_that_says_there_is_nothing_hides_no_message(tmp_path):
    data = MCAP_MAGIC + packed(Header("ros2", ""), SCHEMA, CHANNEL, message(), DataEnd(0))
    lying = data + packed(SCHEMA, CHANNEL, Statistics(0, 1, {}, 0, 0, 0, 0, 0, 1), Footer(len(data), 0, 0)) + MCAP_MAGIC
    assert read(tmp_path / "lie.mcap", lying) == ([("/a", 5)], [])
