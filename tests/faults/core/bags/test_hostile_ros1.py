"""ROS 1 bags made to hurt: refused in one line that names the file, or read right, in little memory and time."""

import struct
import time
import tracemalloc

from lidar_vl_core.bags.reader import open_bag
from tests.faults.core.bags.hostile_recordings import read, refused
from tests.written.bag_records import ros1_bag, ros1_record

CONNECTION = ros1_record([b"op=\x07", b"conn=\0\0\0\0", b"topic=/a"], struct.pack("<I", 20) + b"type=std_msgs/String")
ROS1_MESSAGE = ros1_record([b"op=\x02", b"conn=\0\0\0\0", b"time=" + struct.pack("<II", 1, 0)], b"\0\0\0\0")
ROS1_INDEX = ros1_record(
    [b"op=\x04", b"ver=\1\0\0\0", b"conn=\0\0\0\0", b"count=\1\0\0\0"], struct.pack("<III", 1, 0, 0)
)


def ros1_chunk(content, size=None, compression=b"none"):
    size = len(content) if size is None else size
    return ros1_record([b"op=\x05", b"compression=" + compression, b"size=" + struct.pack("<I", size)], content)


def test_a_ros1_index_that_stands_twice_counts_once(tmp_path):
    path = tmp_path / "twice.bag"
    path.write_bytes(ros1_bag(ros1_chunk(CONNECTION + ROS1_MESSAGE), *[ROS1_INDEX] * 60))
    with open_bag(path) as bag:
        assert [topic.count for topic in bag.topics] == [1]
        assert len(list(bag.messages())) == 1
        assert not any("lost" in warning for warning in bag.warnings[1:])


def test_a_ros1_chunk_that_claims_gigabytes_costs_no_memory(tmp_path):
    lies = [(b"none", 2**32 - 1), (b"lz4", 2**32 - 1), (b"lz4", 250 << 20)]
    for compression, size in lies:
        content = ros1_bag(ros1_chunk(b"x" * 64, size, compression), ros1_chunk(CONNECTION + ROS1_MESSAGE))
        tracemalloc.start()
        found, _ = read(tmp_path / "lie.bag", content)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        tracemalloc.stop()
        assert found == [("/a", 1_000_000_000)]
    assert "192 MiB" in refused(tmp_path / "bz2.bag", ros1_bag(ros1_chunk(b"x" * 64, 2**32 - 1, b"bz2")))


def test_a_ros1_connection_that_is_declared_twice_differently_is_damage(tmp_path):
    other = CONNECTION.replace(b"topic=/a", b"topic=/b")
    found, _ = read(
        tmp_path / "two.bag", ros1_bag(CONNECTION, ros1_chunk(ROS1_MESSAGE), ros1_chunk(other + ROS1_MESSAGE))
    )
    assert found == [("/a", 1_000_000_000)]


def test_a_ros1_index_of_more_messages_than_a_chunk_may_hold_costs_no_memory(tmp_path):
    path, count = tmp_path / "index.bag", 1 << 24
    with path.open("wb") as file:
        file.write(ros1_bag(ros1_chunk(CONNECTION + ROS1_MESSAGE)))
        header = ROS1_INDEX[: -4 - 12].replace(b"count=\1\0\0\0", b"count=" + struct.pack("<I", count))
        file.write(header + struct.pack("<I", 12 * count))
        file.truncate(file.tell() + 12 * count)  # takes no room on the disk
    tracemalloc.start()
    with open_bag(path) as bag:
        assert [found.topic for found in bag.messages()] == ["/a"]
        assert any("damaged" in warning for warning in bag.warnings)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_tiny_ros1_records_take_no_longer_than_the_time_there_is(tmp_path):
    tiny = ros1_record([b"op=\x06"], b"") * 300_000
    (tmp_path / "tiny.bag").write_bytes(ros1_bag(ros1_chunk(CONNECTION + tiny + ROS1_MESSAGE)))
    began_s = time.process_time()
    with open_bag(tmp_path / "tiny.bag", 0.05) as bag:
        assert "part of it is left out" in bag.warnings[0]
    assert time.process_time() - began_s < 0.5
