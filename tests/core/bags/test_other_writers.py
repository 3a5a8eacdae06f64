"""Recordings as other programs write them: without repeated schemas or a summary, or packed message by message."""

import sqlite3
import zlib

import pytest
import zstandard
from mcap.records import Channel, Chunk, DataEnd, Footer, Header, Message, Schema, Statistics
from mcap.writer import CompressionType, IndexType, Writer

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.foundation.errors import BadBag, BadRequest
from lidar_vl_core.foundation.message_types import message_types, to_cdr
from tests.written.bag_records import MCAP_MAGIC, chunk_index, packed

STRING = "std_msgs/msg/String"
TYPES = message_types().types


def rows(count=30):
    return [(f"/t{i % 3}", 1_000 * i, "abc" * i) for i in range(count)]


def cdr(content):
    return to_cdr(TYPES[STRING](content), STRING)


def write_mcap(path, recorded, **options):
    with path.open("wb") as handle:
        writer = Writer(handle, **{"chunk_size": 256} | options)
        writer.start("ros2")
        channels = {}
        for topic, stamp_ns, data in recorded:
            if topic not in channels:  # late topics are declared in late chunks
                schema = writer.register_schema(STRING, "ros2msg", b"string data\n")
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channels[topic], stamp_ns, data, stamp_ns)
        writer.finish()
    return path


def write_db3(path, recorded):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT)")
        database.execute(
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)"
        )
        topics = sorted({topic for topic, _, _ in recorded})
        database.executemany(
            "INSERT INTO topics VALUES (?, ?, ?, 'cdr')", [(i, name, STRING) for i, name in enumerate(topics)]
        )
        database.executemany(
            "INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)",
            [(topics.index(topic), stamp_ns, data) for topic, stamp_ns, data in recorded],
        )
    database.close()
    return path


def read(path):
    with open_bag(path) as bag:
        found = [(message.topic, message.stamp_ns, message.message.data) for message in bag.messages()]
        assert bag.warnings == []
        assert {topic.type for topic in bag.topics} == {STRING}
        assert sum(topic.count for topic in bag.topics) == len(found)
        return found


@pytest.mark.parametrize(
    "options",
    [
        {"repeat_schemas": False},
        {"repeat_channels": False},
        {"repeat_schemas": False, "repeat_channels": False},
        {"repeat_schemas": False, "index_types": IndexType.CHUNK},
        {"repeat_schemas": False, "index_types": IndexType.NONE},
        {"repeat_schemas": False, "use_statistics": False},
        {"repeat_schemas": False, "use_summary_offsets": False, "enable_crcs": False},
        {"repeat_schemas": False, "use_chunking": False},
        {"repeat_schemas": False, "compression": CompressionType.LZ4},
        {"repeat_schemas": False, "chunk_size": 1 << 20, "compression": CompressionType.NONE},
    ],
)
def test_what_a_summary_leaves_out_is_found_in_the_data(tmp_path, options):
    recorded = [(topic, stamp_ns, cdr(content)) for topic, stamp_ns, content in rows()]
    assert read(write_mcap(tmp_path / "a.mcap", recorded, **options)) == rows()


SCHEMA = Schema(id=9, data=b"", encoding="ros2msg", name=STRING)


def assembled(channels, chunk_content, in_summary, **place):
    """A file of one chunk whose schema stands in front of it; place: what its index claims otherwise."""
    chunk = Chunk("", chunk_content, 5, 5, zlib.crc32(chunk_content), len(chunk_content))
    front = MCAP_MAGIC + packed(Header("ros2", ""), SCHEMA)
    count = Statistics(0, len(channels), {channel.id: 1 for channel in channels}, 1, len(channels), 5, 5, 0, 1)
    data = front + packed(chunk, DataEnd(0))
    end = packed(*in_summary, chunk_index(chunk, len(front), **place), count, Footer(len(data), 0, 0))
    return data + end + MCAP_MAGIC


def channel(number, encoding="cdr"):
    return Channel(id=number, topic="/t", message_encoding=encoding, metadata={}, schema_id=9)


def stored(number, content):
    return Message(channel_id=number, log_time=5, data=content, publish_time=5, sequence=0)


def test_schemas_in_front_of_the_chunks_are_found_too(tmp_path):
    content = packed(channel(1), stored(1, cdr("a")))
    (tmp_path / "a.mcap").write_bytes(assembled([channel(1)], content, [channel(1)]))
    assert read(tmp_path / "a.mcap") == [("/t", 5, "a")]


def test_a_summary_that_leaves_out_one_of_two_channels_costs_no_message(tmp_path):
    content = packed(channel(1), stored(1, cdr("a")), channel(2), stored(2, cdr("b")))
    (tmp_path / "a.mcap").write_bytes(assembled([channel(1), channel(2)], content, [channel(1)]))
    with open_bag(tmp_path / "a.mcap") as bag:
        assert [message.message.data for message in bag.messages()] == ["a", "b"]
        assert [topic.count for topic in bag.topics] == [2]  # two senders, one topic


def test_two_senders_of_one_topic_are_decoded_each_in_its_encoding(tmp_path):
    both = [channel(1), channel(2, "ros1")]
    content = packed(*both, stored(1, cdr("a")), stored(2, b"\1\0\0\0b"))
    (tmp_path / "a.mcap").write_bytes(assembled(both, content, both))
    with open_bag(tmp_path / "a.mcap") as bag:
        assert [message.message.data for message in bag.messages()] == ["a", "b"]
        assert [(topic.encoding, topic.count) for topic in bag.topics] == [("cdr", 1), ("ros1", 1)]


@pytest.mark.parametrize("claim", [2**63, 2**62, 2**40, 10_000])
@pytest.mark.parametrize("name", ["chunk_length", "chunk_start_offset", "message_index_length"])
def test_lengths_that_a_summary_claims_cost_no_memory(tmp_path, name, claim):
    content = packed(channel(1), stored(1, cdr("a")))
    (tmp_path / "a.mcap").write_bytes(assembled([channel(1)], content, [SCHEMA, channel(1)], **{name: claim}))
    with open_bag(tmp_path / "a.mcap") as bag:
        found = [message.message.data for message in bag.messages()]
        assert found in ([], ["a"])
        assert len(bag.warnings) == 1


def test_a_topic_without_any_schema_is_told(tmp_path):
    with (tmp_path / "a.mcap").open("wb") as handle:
        writer = Writer(handle, repeat_schemas=False)
        writer.start("ros2")
        channel = writer.register_channel("/points", "cdr", 7)
        writer.add_message(channel, 1, cdr("a"), 1)
        writer.finish()
    with open_bag(tmp_path / "a.mcap") as bag:
        assert len(list(bag.messages())) == 1
        (warning,) = bag.warnings
        assert "expected the schema of /points, found none" in warning
        with pytest.raises(BadRequest, match=r"/points \(no type\)"):
            bag.topic_of_type(STRING)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_recording_cut_anywhere_keeps_its_types_though_no_summary_repeats_them(tmp_path, share):
    recorded = [(topic, stamp_ns, cdr(content)) for topic, stamp_ns, content in rows()]
    whole = write_mcap(tmp_path / "a.mcap", recorded, repeat_schemas=False).read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: int(share * len(whole))])
    with open_bag(tmp_path / "cut.mcap") as bag:
        found = [(message.topic, message.stamp_ns, message.message.data) for message in bag.messages()]
        assert found == rows()[: len(found)]
        assert len(found) > 2
        assert len(bag.warnings) == 1
        assert "record it again" not in bag.warnings[0]


def without_size(data):
    packer = zstandard.ZstdCompressor(write_content_size=False)
    return packer.compress(data)


@pytest.mark.parametrize("pack", [zstandard.compress, without_size])
@pytest.mark.parametrize("write", [write_db3, write_mcap])
def test_messages_packed_one_by_one_are_seen_by_their_first_bytes(tmp_path, pack, write):
    # A recorder that could not keep up leaves some messages as they are.
    recorded = [
        (topic, stamp_ns, pack(cdr(content)) if stamp_ns % 7_000 else cdr(content))
        for topic, stamp_ns, content in rows()
    ]
    assert read(write(tmp_path / "bare", recorded)) == rows()
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "bare").rename(folder / "bag_0.db3")
    (folder / "metadata.yaml").write_text(
        "rosbag2_bagfile_information: {relative_file_paths: [bag_0.db3], compression_format: zstd, "
        "compression_mode: MESSAGE}\n"
    )
    assert read(folder) == rows()


@pytest.mark.parametrize("claim_size", [True, False])
def test_a_message_that_unpacks_to_more_than_it_may_is_left_alone(tmp_path, claim_size, monkeypatch):
    monkeypatch.setattr("lidar_vl_core.bags.messages.MAX_UNPACKED_BYTES", 1 << 20)
    packer = zstandard.ZstdCompressor(write_content_size=claim_size)
    recorded = [
        ("/t0", 0, packer.compress(bytes((1 << 20) + 1))),
        ("/t0", 1, zstandard.compress(cdr("a"))[:-3]),
        ("/t0", 2, cdr("b")),
    ]
    with open_bag(write_db3(tmp_path / "a.db3", recorded)) as bag:
        large, cut, good = bag.messages()
        for message in (large, cut):
            with pytest.raises(
                BadBag, match=r"topic /t0: expected .*(zstd-compressed message, found|bytes that do not decode as one)"
            ):
                _ = message.message
        assert good.message.data == "b"
