"""MCAPs made to hurt: refused in one line that names the file, or read right, in little memory and time."""

import struct
import time

import pytest
import zstandard
from mcap.records import Channel, DataEnd, Footer, Header, Schema
from mcap.writer import CompressionType, Writer

from lidar_vl_core.bags import unpacking
from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.commands.cli import main
from lidar_vl_core.commands.recordings.inspection import inspection, inspection_text
from tests.faults.core.bags.hostile_recordings import (
    CHANNEL,
    SCHEMA,
    STRING,
    chunked,
    message,
    plain,
    read,
    refused,
    unchunked,
)
from tests.written.bag_records import MCAP_MAGIC, packed


def test_more_topics_or_places_than_a_recording_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "_MAX_TOPICS", 50)
    channels = [Channel(id=i, topic=f"/t{i}", message_encoding="cdr", metadata={}, schema_id=1) for i in range(60)]
    assert "50 topics" in refused(tmp_path / "topics.mcap", unchunked(SCHEMA, *channels, message(), message()))
    monkeypatch.setattr(unpacking, "_MAX_PLACES", 50)
    assert "found more" in refused(tmp_path / "places.mcap", unchunked(SCHEMA, CHANNEL, *[message()] * 60))


def test_tiny_records_and_data_without_end_take_no_longer_than_the_time_there_is(tmp_path):
    tiny = plain(packed(SCHEMA, CHANNEL) + (b"\6" + bytes(8)) * 1_000_000 + packed(message()))
    (tmp_path / "tiny.mcap").write_bytes(unchunked(tiny))
    with (tmp_path / "sparse.mcap").open("wb") as file:
        file.write(
            MCAP_MAGIC + packed(Header("ros2", ""), SCHEMA, CHANNEL, message()) + b"\x09" + struct.pack("<Q", 1 << 37)
        )
        file.seek(1 << 37, 1)
        file.write(packed(DataEnd(12345), Footer(0, 0, 0)) + MCAP_MAGIC)
    for name in ("tiny.mcap", "sparse.mcap"):
        began_s = time.process_time()
        with open_bag(tmp_path / name, 0.05) as bag:
            assert "part of it is left out" in bag.warnings[0]
        assert time.process_time() - began_s < 1


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
