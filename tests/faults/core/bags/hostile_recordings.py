"""MCAPs put together from records, and what is read of them or said against them."""

import zlib

import pytest
from mcap.records import Channel, Chunk, DataEnd, Footer, Header, Message, Schema, Statistics

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.foundation.errors import BadBag
from tests.written.bag_records import MCAP_MAGIC, chunk_index, packed

STRING = "std_msgs/msg/String"
SCHEMA = Schema(id=1, data=b"", encoding="ros2msg", name=STRING)
CHANNEL = Channel(id=1, topic="/a", message_encoding="cdr", metadata={}, schema_id=1)
GIB = 1 << 30


def message(stamp_ns=5, channel_id=1, data=b"\0\1\0\0\1\0\0\0\0"):
    return Message(channel_id=channel_id, data=data, log_time=stamp_ns, publish_time=stamp_ns, sequence=0)


def plain(content):
    return Chunk("", content, 5, 5, zlib.crc32(content), len(content))


def claiming(size, compression, data):
    return Chunk(compression, data, 5, 5, 0, size)


def chunked(*chunks, declared=(SCHEMA, CHANNEL), listed=1, count=1, **claimed):
    """A file whose summary lists each chunk so many times; claimed: what its entries say otherwise."""
    data, entries = MCAP_MAGIC + packed(Header("ros2", "")), []
    for chunk in chunks:
        entries += [chunk_index(chunk, len(data), **claimed)] * listed
        data += packed(chunk)
    data += packed(DataEnd(0))
    statistics = Statistics(0, 1, {1: count}, len(entries), count, 5, 5, 0, 1)
    return data + packed(*declared, *entries, statistics, Footer(len(data), 0, 0)) + MCAP_MAGIC


def unchunked(*records):
    return MCAP_MAGIC + packed(Header("ros2", ""), *records, DataEnd(0), Footer(0, 0, 0)) + MCAP_MAGIC


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
