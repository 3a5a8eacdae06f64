"""Chunks of an MCAP that claim or hold what they should not: left out or refused before memory is taken."""

import struct
import tracemalloc
import zlib

import lz4.frame
import pytest
import zstandard
from mcap.records import Chunk, ChunkIndex, DataEnd, Footer, Header, Statistics

from lidar_vl_core.bags import unpacking
from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.foundation.errors import BadBag
from tests.faults.core.bags.hostile_recordings import (
    CHANNEL,
    GIB,
    SCHEMA,
    chunked,
    claiming,
    message,
    plain,
    read,
    refused,
    unchunked,
)
from tests.written.bag_records import MCAP_MAGIC, packed


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
    data = MCAP_MAGIC + packed(Header("ros2", "")) + body + packed(DataEnd(0))
    entries = [
        ChunkIndex(chunk_length=len(body), chunk_start_offset=start - len(body) + len(inner), **entry),
        ChunkIndex(chunk_length=len(inner), chunk_start_offset=start, **entry),
    ]
    entries[0].chunk_start_offset = len(MCAP_MAGIC + packed(Header("ros2", "")))
    lying = Statistics(0, 1, {1: 2}, 2, 2, 5, 5, 0, 1)
    found, _ = read(
        tmp_path / "nested.mcap", data + packed(SCHEMA, CHANNEL, *entries, lying, Footer(len(data), 0, 0)) + MCAP_MAGIC
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
