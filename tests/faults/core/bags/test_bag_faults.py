"""Recordings cut at any byte or with flipped bits: what is whole is read, the rest is told in one line."""

import random

import numpy as np
import pytest
from mcap.writer import CompressionType, Writer

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.foundation.errors import BadBag
from tests.faults.harness.amount import amount

TRIALS = amount(quick=200, long=2500)
FEWER = TRIALS // 4  # for what other writers make; ours takes all trials
MESSAGES = 1000
STRING = "std_msgs/msg/String"
MCAP_KINDS = {
    "ours": None,
    "zstd, small chunks": {"chunk_size": 1 << 16},
    "lz4": {"chunk_size": 1 << 16, "compression": CompressionType.LZ4},
    "uncompressed": {"chunk_size": 1 << 16, "compression": CompressionType.NONE},
    "no chunks": {"use_chunking": False},
}


def rows():
    generator = np.random.default_rng(0)
    for index in range(MESSAGES):
        size = int(generator.integers(100, 1500))
        yield f"/t{index % 3}", index * 1_000, b"\0\1\0\0" + generator.integers(0, 64, size, np.uint8).tobytes()


def write(path, options):
    if options is None:
        with BagWriter(path) as bag:
            for topic, stamp_ns, data in rows():
                bag.write(topic, STRING, stamp_ns, data)
        return path.read_bytes()
    with path.open("wb") as handle:
        writer = Writer(handle, **options)
        writer.start("ros2")
        schema = writer.register_schema(STRING, "ros2msg", b"string data\n")
        channels = {f"/t{i}": writer.register_channel(f"/t{i}", "cdr", schema) for i in range(3)}
        for topic, stamp_ns, data in rows():
            writer.add_message(channels[topic], stamp_ns, data, stamp_ns)
        writer.finish()
    return path.read_bytes()


def read(path):
    with open_bag(path) as bag:
        expected = sum(topic.count for topic in bag.topics)
        found = [(message.topic, message.stamp_ns, message.data) for message in bag.messages()]
        return found, bag.warnings, expected


TRUTH = list(rows())
RECORDED = set(TRUTH)


@pytest.mark.parametrize("kind", MCAP_KINDS)
def test_an_mcap_cut_at_any_byte_yields_what_is_whole_and_one_warning(tmp_path, kind, figures):
    whole = write(tmp_path / "whole.mcap", MCAP_KINDS[kind])
    generator = random.Random(1)
    found_share, written_share = 0.0, 0.0
    trials = TRIALS if kind == "ours" else FEWER
    for _ in range(trials):
        cut = generator.randrange(8, len(whole))
        (tmp_path / "cut.mcap").write_bytes(whole[:cut])
        found, warnings, announced = read(tmp_path / "cut.mcap")
        assert set(found) <= RECORDED
        assert [row[1] for row in found] == sorted(row[1] for row in found)
        assert announced == len(found)
        assert len(warnings) == 1
        assert f"its {len(found)} complete messages are read" in warnings[0]
        found_share += len(found) / MESSAGES
        written_share += cut / len(whole)
    figures.count("cut bags", trials)
    figures.least("% of what was written is read", 100 * found_share / written_share)
    assert found_share / written_share >= 0.85


@pytest.mark.parametrize(
    "kind", [kind for kind in MCAP_KINDS if kind != "no chunks"]
)  # without chunks nothing has a CRC
def test_a_flipped_bit_in_an_mcap_is_noticed_and_never_becomes_a_message(tmp_path, kind, figures):
    whole = write(tmp_path / "whole.mcap", MCAP_KINDS[kind])
    generator = random.Random(2)
    noticed, trials = 0, TRIALS if kind == "ours" else FEWER
    for _ in range(trials):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        (tmp_path / "flip.mcap").write_bytes(damaged)
        try:
            found, warnings, _ = read(tmp_path / "flip.mcap")
        except BadBag:
            noticed += 1
            continue
        assert set(found) <= RECORDED
        assert len(warnings) <= 1
        assert warnings or found == TRUTH
        noticed += len(warnings)
    figures.count("flipped bits", trials)
    figures.least("% noticed", 100 * noticed / trials)
    assert noticed / trials >= 0.97


def test_one_damaged_chunk_costs_only_its_own_messages(tmp_path):
    whole = bytearray(write(tmp_path / "whole.mcap", MCAP_KINDS["zstd, small chunks"]))
    whole[len(whole) // 2] ^= 1
    (tmp_path / "flip.mcap").write_bytes(whole)
    found, (warning,), _ = read(tmp_path / "flip.mcap")
    assert 850 < len(found) < MESSAGES
    assert f"found 1 damaged: read {len(found)} messages, {MESSAGES - len(found)} are lost" in warning


def test_a_second_pass_over_a_damaged_recording_does_not_warn_twice(tmp_path):
    whole = bytearray(write(tmp_path / "whole.mcap", MCAP_KINDS["zstd, small chunks"]))
    whole[len(whole) // 2] ^= 1
    (tmp_path / "flip.mcap").write_bytes(whole)
    with open_bag(tmp_path / "flip.mcap") as bag:
        assert len(list(bag.messages())) == len(list(bag.messages()))
        assert len(bag.warnings) == 1


def test_an_mcap_cut_in_its_first_bytes_is_refused(tmp_path):
    for cut in range(8):
        (tmp_path / "cut.mcap").write_bytes(b"\x89MCAP0\r\n"[:cut])
        with pytest.raises(BadBag, match="expected an MCAP, rosbag2 sqlite3 or ROS 1 bag file, found"):
            open_bag(tmp_path / "cut.mcap")


def test_a_compressed_file_that_was_cut_yields_what_is_whole(tmp_path):
    import zstandard

    packed = zstandard.compress(write(tmp_path / "whole.mcap", None))
    (tmp_path / "cut.mcap.zstd").write_bytes(packed[: len(packed) * 2 // 3])
    found, warnings, _ = read(tmp_path / "cut.mcap.zstd")
    assert 0.85 * MESSAGES * 2 / 3 < len(found) < MESSAGES
    assert set(found) <= RECORDED
    assert len(warnings) == 1


def test_a_cut_sqlite_file_yields_what_is_whole_and_one_warning(tmp_path, figures):
    whole = write(tmp_path / "whole.db3", None)
    generator = random.Random(3)
    found_share, written_share = 0.0, 0.0
    for _ in range(FEWER):
        cut = generator.randrange(16, len(whole) - 1)
        (tmp_path / "cut.db3").write_bytes(whole[:cut])
        written_share += cut / len(whole)
        try:
            found, warnings, announced = read(tmp_path / "cut.db3")
        except BadBag:  # the tables are declared at the very start
            assert cut < 40_000
            continue
        assert set(found) <= RECORDED
        assert announced == len(found)
        assert len(warnings) == 1
        found_share += len(found) / MESSAGES
    figures.count("cut bags", FEWER)
    figures.least("% of what was written is read, sqlite", 100 * found_share / written_share)
    assert found_share / written_share >= 0.8


def test_an_overwritten_page_in_a_sqlite_file_costs_only_its_messages(tmp_path):
    whole = write(tmp_path / "whole.db3", None)
    generator = random.Random(4)
    for _ in range(FEWER // 2):
        at = generator.randrange(10, len(whole) // 4096) * 4096
        (tmp_path / "hole.db3").write_bytes(whole[:at] + b"\xff" * 4096 + whole[at + 4096 :])
        found, warnings, _ = read(tmp_path / "hole.db3")
        assert len(warnings) <= 1
        assert len(found) > 0.4 * MESSAGES


@pytest.mark.parametrize("length", [2**63, 2**40, 2**32, 10_000])
def test_a_record_that_claims_any_length_is_no_reason_to_take_memory(tmp_path, length):
    whole = write(tmp_path / "whole.mcap", MCAP_KINDS["no chunks"])
    for opcode in (1, 3, 4, 5, 6, 9, 200):
        record = bytes([opcode]) + length.to_bytes(8, "little") + b"\0" * 64
        (tmp_path / "long.mcap").write_bytes(whole[:300_000] + record)
        found, warnings, _ = read(tmp_path / "long.mcap")
        assert len(found) > 300
        assert len(warnings) == 1


def test_a_chunk_that_unpacks_to_more_than_it_says_is_left_out(tmp_path):
    import struct

    import zstandard

    packed = zstandard.compress(b"\0" * (1 << 26))
    body = struct.pack("<QQQII", 0, 0, 1000, 0, 4) + b"zstd" + struct.pack("<Q", len(packed)) + packed
    header = bytes([1]) + (8).to_bytes(8, "little") + bytes(8)
    (tmp_path / "bomb.mcap").write_bytes(
        b"\x89MCAP0\r\n" + header + bytes([6]) + len(body).to_bytes(8, "little") + body
    )
    found, warnings, _ = read(tmp_path / "bomb.mcap")
    assert found == []
    assert "1 damaged chunks" in warnings[0]
