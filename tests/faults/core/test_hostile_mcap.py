"""MCAPs made to hurt: refused in one line that names the file, or read right, in little memory and time."""

import struct
import time
import tracemalloc
import zlib

import lz4.frame
import pytest
import zstandard
from mcap.data_stream import RecordBuilder
from mcap.records import Channel, Chunk, ChunkIndex, DataEnd, Footer, Header, Message, Schema, Statistics
from mcap.writer import CompressionType, Writer

from lidar_vl_core.bags import unpacking
from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.commands.cli import main
from lidar_vl_core.commands.recordings.inspection import inspection, inspection_text
from lidar_vl_core.foundation.errors import BadBag

STRING = "std_msgs/msg/String"
MAGIC = b"\x89MCAP0\r\n"
SCHEMA = Schema(id=1, data=b"", encoding="ros2msg", name=STRING)
CHANNEL = Channel(id=1, topic="/a", message_encoding="cdr", metadata={}, schema_id=1)
GIB = 1 << 30


def packed(*records):
    builder = RecordBuilder()
    for record in records:
        record.write(builder)
    return builder.end()


def message(stamp_ns=5, channel_id=1, data=b"\0\1\0\0\1\0\0\0\0"):
    return Message(channel_id=channel_id, data=data, log_time=stamp_ns, publish_time=stamp_ns, sequence=0)


def plain(content):
    return Chunk("", content, 5, 5, zlib.crc32(content), len(content))


def claiming(size, compression, data):
    return Chunk(compression, data, 5, 5, 0, size)


def chunked(*chunks, declared=(SCHEMA, CHANNEL), listed=1, count=1, **claimed):
    """A file whose summary lists each chunk so many times; claimed: what its entries say otherwise."""
    data, entries = MAGIC + packed(Header("ros2", "")), []
    for chunk in chunks:
        body = packed(chunk)
        told = {
            "chunk_length": len(body), "chunk_start_offset": len(data), "compression": chunk.compression,
            "compressed_size": len(chunk.data), "message_end_time": 5, "message_index_length": 0,
            "message_index_offsets": {}, "message_start_time": 5, "uncompressed_size": chunk.uncompressed_size,
        } | claimed  # fmt: skip
        entries += [ChunkIndex(**told)] * listed
        data += body
    data += packed(DataEnd(0))
    statistics = Statistics(0, 1, {1: count}, len(entries), count, 5, 5, 0, 1)
    return data + packed(*declared, *entries, statistics, Footer(len(data), 0, 0)) + MAGIC


def unchunked(*records):
    return MAGIC + packed(Header("ros2", ""), *records, DataEnd(0), Footer(0, 0, 0)) + MAGIC


def read(path, content):
    path.write_bytes(content)
    with open_bag(path) as bag:
        return [(found.topic, found.stamp_ns) for found in bag.messages()], bag.warnings


def refused(path, content):
    with pytest.raises(BadBag) as caught:
        read(path, content)
    text = str(caught.value)
    assert path.name in text
    assert text.isprintable()
    assert len(text) <= 1500
    return text


def test_a_chunk_that_is_listed_sixty_times_is_read_once(tmp_path):
    found, (warning,) = read(tmp_path / "dup.mcap", chunked(plain(packed(message())), listed=60, count=60))
    assert found == [("/a", 5)]
    assert "expected 60 messages as its summary says, found 1" in warning


def test_chunks_within_chunks_are_not_read_twice(tmp_path):
    inner = packed(plain(packed(message())))
    outer = plain(packed(SCHEMA, CHANNEL, message()) + inner)
    honest = chunked(outer)
    start = honest.index(inner)
    body = packed(outer)
    entry = {"compression": "", "compressed_size": 0, "message_end_time": 5, "message_index_length": 0,
             "message_index_offsets": {}, "message_start_time": 5, "uncompressed_size": 0}  # fmt: skip
    data = MAGIC + packed(Header("ros2", "")) + body + packed(DataEnd(0))
    entries = [
        ChunkIndex(chunk_length=len(body), chunk_start_offset=start - len(body) + len(inner), **entry),
        ChunkIndex(chunk_length=len(inner), chunk_start_offset=start, **entry),
    ]
    entries[0].chunk_start_offset = len(MAGIC + packed(Header("ros2", "")))
    lying = Statistics(0, 1, {1: 2}, 2, 2, 5, 5, 0, 1)
    found, _ = read(
        tmp_path / "nested.mcap", data + packed(SCHEMA, CHANNEL, *entries, lying, Footer(len(data), 0, 0)) + MAGIC
    )
    assert found == [("/a", 5)]


@pytest.mark.parametrize("with_summary", [True, False])
@pytest.mark.parametrize("told", [True, False])
def test_a_chunk_of_a_gigabyte_is_refused_before_memory_is_taken(tmp_path, told, with_summary):
    data = zstandard.ZstdCompressor(write_content_size=True).compress(b"\0" * 1000)
    if told:  # a frame whose head claims as much as its chunk: 8 bytes of size
        data = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", GIB) + b"\x01\0\0"
    else:
        data = zstandard.ZstdCompressor(write_content_size=False).compressobj().compress(b"") or (
            b"\x28\xb5\x2f\xfd\0\x58" + b"\x01\0\0"
        )
    chunk = claiming(GIB, "zstd", data)
    content = chunked(chunk) if with_summary else unchunked(SCHEMA, CHANNEL, chunk)
    tracemalloc.start()
    try:
        text = refused(tmp_path / "large.mcap", content)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert "expected a chunk of at most 192 MiB, found 1024 MiB" in text


@pytest.mark.parametrize("compression", ["lz4", "", "zstd"])
def test_a_chunk_whose_bytes_cannot_hold_what_it_claims_is_left_out(tmp_path, compression):
    content = packed(message())
    data = {"": content, "lz4": lz4.frame.compress(content), "zstd": zstandard.compress(content)}[compression]
    good = plain(packed(SCHEMA, CHANNEL, message()))
    for size in (GIB, 2**63, 200 << 20):
        found, (warning,) = read(tmp_path / "lie.mcap", chunked(good, claiming(size, compression, data), count=2))
        assert found == [("/a", 5)]
        assert "1 damaged" in warning


@pytest.mark.parametrize("pack", [lz4.frame.compress, zstandard.compress])
def test_a_frame_that_holds_more_than_its_chunk_says_is_left_out(tmp_path, pack):
    kind = "lz4" if pack is lz4.frame.compress else "zstd"
    one = packed(message())
    found, (warning,) = read(tmp_path / "more.mcap", chunked(claiming(len(one), kind, pack(one + one))))
    assert found == []
    assert "1 damaged" in warning


def test_a_file_may_unpack_to_no_more_than_a_recording_of_its_size_does(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "_FREE_BYTES", 1 << 20)
    content = packed(message(data=bytes(1 << 20)))
    chunk = Chunk("zstd", zstandard.compress(content), 5, 5, 0, len(content))
    assert "chunks of at most" in refused(tmp_path / "ratio.mcap", chunked(chunk, chunk, chunk, count=3))


def test_more_messages_at_once_than_memory_is_meant_for_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "_MAX_HELD_MESSAGES", 1000)
    chunk = plain(packed(*[message(data=b"")] * 600))
    assert len(read(tmp_path / "few.mcap", chunked(chunk, count=600))[0]) == 600
    assert "found more" in refused(tmp_path / "many.mcap", chunked(chunk, chunk, chunk, count=1800))
    assert "found more" in refused(tmp_path / "one.mcap", chunked(plain(packed(*[message(data=b"")] * 1200))))


def test_more_topics_or_places_than_a_recording_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "_MAX_TOPICS", 50)
    channels = [Channel(id=i, topic=f"/t{i}", message_encoding="cdr", metadata={}, schema_id=1) for i in range(60)]
    assert "50 topics" in refused(tmp_path / "topics.mcap", unchunked(SCHEMA, *channels, message(), message()))
    monkeypatch.setattr(unpacking, "_MAX_PLACES", 50)
    assert "found more" in refused(tmp_path / "places.mcap", unchunked(SCHEMA, CHANNEL, *[message()] * 60))


def counted(numbers):
    return struct.pack("<I", 10 * len(numbers)) + b"".join(struct.pack("<HQ", number, 1) for number in numbers)


def with_summary(*records):
    data = MAGIC + packed(Header("ros2", ""), SCHEMA, CHANNEL, message(), DataEnd(0))
    return data + packed(SCHEMA, CHANNEL) + b"".join(records) + packed(Footer(len(data), 0, 0)) + MAGIC


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
        MAGIC + packed(Header("ros2", ""), SCHEMA) + channel + packed(message(), DataEnd(0), Footer(0, 0, 0)) + MAGIC
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
    place = len(MAGIC + packed(Header("ros2", ""), SCHEMA, CHANNEL, message(), DataEnd(0)))
    for claimed in ({"length": 1 << 33}, {"index_bytes": 1 << 33}):
        path = tmp_path / "wide.mcap"
        statistics = record(11, struct.pack("<QHIIIIQQ", 1, 1, 1, 0, 0, 1, 5, 5) + counted([1]))
        with path.open("wb") as file:
            file.write(MAGIC + packed(Header("ros2", ""), SCHEMA, CHANNEL, message(), DataEnd(0)))
            file.seek(1 << 34)  # takes no room on the disk
            start = file.tell()
            file.write(
                packed(SCHEMA, CHANNEL)
                + listed_chunk(place, **claimed)
                + statistics
                + packed(Footer(start, 0, 0))
                + MAGIC
            )
        tracemalloc.start()
        with open_bag(path) as bag:
            assert list(bag.messages()) == []
            assert bag.warnings
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        tracemalloc.stop()


def test_tiny_records_and_data_without_end_take_no_longer_than_the_time_there_is(tmp_path):
    tiny = plain(packed(SCHEMA, CHANNEL) + (b"\6" + bytes(8)) * 1_000_000 + packed(message()))
    (tmp_path / "tiny.mcap").write_bytes(unchunked(tiny))
    with (tmp_path / "sparse.mcap").open("wb") as file:
        file.write(
            MAGIC + packed(Header("ros2", ""), SCHEMA, CHANNEL, message()) + b"\x09" + struct.pack("<Q", 1 << 37)
        )
        file.seek(1 << 37, 1)
        file.write(packed(DataEnd(12345), Footer(0, 0, 0)) + MAGIC)
    for name in ("tiny.mcap", "sparse.mcap"):
        began_s = time.process_time()
        with open_bag(tmp_path / name, 0.05) as bag:
            assert "part of it is left out" in bag.warnings[0]
        assert time.process_time() - began_s < 1


def test_the_files_of_a_recording_share_its_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "_MAX_HELD_BYTES", 250_000)
    for folder, step in (("one after the other", 10), ("all at once", 0)):
        (tmp_path / folder).mkdir()
        for number in range(4):
            stamp = 5 + number * step
            content = packed(*[message(stamp, data=bytes(10_000))] * 10)
            chunk = Chunk("", content, stamp, stamp, zlib.crc32(content), len(content))
            path = tmp_path / folder / f"a_{number}.mcap"
            path.write_bytes(chunked(chunk, count=10, message_start_time=stamp, message_end_time=stamp))
    with open_bag(tmp_path / "one after the other") as bag:
        assert [found.stamp_ns for found in bag.messages()] == [5] * 10 + [15] * 10 + [25] * 10 + [35] * 10
    with open_bag(tmp_path / "all at once") as bag, pytest.raises(BadBag, match="chunks that overlap in time"):
        list(bag.messages())


@pytest.mark.parametrize("chunk_crc", [True, False])
@pytest.mark.parametrize("chunks", [True, False])
def test_the_checksum_of_all_data_is_read_where_no_chunk_has_one(tmp_path, chunks, chunk_crc):
    path = tmp_path / "data.mcap"
    with path.open("wb") as handle:
        writer = Writer(
            handle, use_chunking=chunks, compression=CompressionType.NONE, enable_data_crcs=True, enable_crcs=chunk_crc
        )
        writer.start("ros2")
        channel = writer.register_channel("/a", "cdr", writer.register_schema(STRING, "ros2msg", b""))
        for stamp_ns in range(20):
            writer.add_message(channel, stamp_ns, b"\0\1\0\0" + b"abcdefgh" * 9, stamp_ns)
        writer.finish()
    whole = path.read_bytes()
    found, warnings = read(path, whole)
    assert len(found) == 20
    assert warnings == []
    flipped = bytearray(whole)
    flipped[whole.index(b"efgh", len(whole) // 3)] ^= 1
    _, (warning,) = read(path, bytes(flipped))
    assert "damaged" in warning


@pytest.mark.parametrize(
    "again", [Channel(id=1, topic="/b", message_encoding="cdr", metadata={}, schema_id=1), Schema(id=1, data=b"", encoding="ros2msg", name="x/Y")]
)  # fmt: skip
def test_an_id_that_is_declared_twice_differently_is_damage(tmp_path, again):
    found, (warning,) = read(tmp_path / "twice.mcap", unchunked(SCHEMA, CHANNEL, message(), again, message(6)))
    assert found == [("/a", 5)]
    assert "damaged at byte" in warning


def test_messages_of_channels_that_nothing_declares_are_told(tmp_path):
    found, (warning,) = read(tmp_path / "none.mcap", unchunked(SCHEMA, CHANNEL, message(), message(6, channel_id=9)))
    assert found == [("/a", 5)]
    assert "found 1 that do not" in warning


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
    data = MAGIC + packed(Header("ros2", ""), SCHEMA, CHANNEL, message(), DataEnd(0))
    lying = data + packed(SCHEMA, CHANNEL, Statistics(0, 1, {}, 0, 0, 0, 0, 0, 1), Footer(len(data), 0, 0)) + MAGIC
    assert read(tmp_path / "lie.mcap", lying) == ([("/a", 5)], [])


def test_a_packed_file_is_unpacked_to_no_more_than_its_size_allows(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(unpacking, "_FREE_BYTES", 1 << 20)
    content = unchunked(SCHEMA, CHANNEL, message()) + bytes(32 << 20)
    silent = zstandard.ZstdCompressor(write_content_size=False)
    for data in (zstandard.compress(content), silent.compress(content), zstandard.compress(bytes(1 << 19)) * 40):
        assert "expected it to fit into at most" in refused(tmp_path / "bomb.mcap.zstd", data)
    twice = zstandard.compress(zstandard.compress(unchunked(SCHEMA, CHANNEL, message())))
    assert "compressed twice" in refused(tmp_path / "nest.mcap.zstd", twice)
    assert [path.name for path in tmp_path.iterdir()] == ["bomb.mcap.zstd", "nest.mcap.zstd"]


def test_names_reach_no_terminal_as_they_are(tmp_path, capsys):
    names = ["/\x1b]0;pwn\x07\x1b[31m\n/fake  99", "/\u202egnp", "/\x9b2J", "/" + "x" * 3000]
    channels = [Channel(id=i, topic=n, message_encoding="cdr", metadata={}, schema_id=1) for i, n in enumerate(names)]
    path = tmp_path / "esc.mcap"
    path.write_bytes(unchunked(SCHEMA, *channels, message(channel_id=0)))
    assert main(["inspect", str(path)]) == 0
    said = capsys.readouterr()
    lines = (said.out + said.err).splitlines()
    assert all(line.isprintable() for line in lines)
    assert not any(line.lstrip().startswith("/fake") for line in lines)
    assert max(len(line) for line in lines) < 1700
    assert inspection_text(inspection(path)).count("\\x1b") >= 2


def test_a_name_without_end_is_damage(tmp_path):
    endless = Channel(id=2, topic="/" + "x" * 100_000, message_encoding="cdr", metadata={}, schema_id=1)
    found, (warning,) = read(tmp_path / "long.mcap", unchunked(SCHEMA, CHANNEL, message(), endless))
    assert found == [("/a", 5)]
    assert len(warning) < 300


def test_inspect_describes_what_it_has_seen_when_its_time_is_over(tmp_path, monkeypatch):
    path = tmp_path / "long.mcap"
    path.write_bytes(chunked(plain(packed(*[message()] * 50)), count=50))
    monkeypatch.setattr("lidar_vl_core.commands.recordings.inspection._COUNTING_S", -1.0)
    found = inspection(path)
    assert found["topics"][0]["count"] == 50
    assert "part of it is left out" in found["warnings"][0]


def test_warnings_about_hostile_names_are_one_line(tmp_path):
    forged = Channel(id=1, topic="/a\x1b[31m\n/forged", message_encoding="cdr", metadata={}, schema_id=7)
    _, (warning,) = read(tmp_path / "schema.mcap", unchunked(forged, message()))
    assert warning.isprintable()
    assert "found none: its type is unknown" in warning
