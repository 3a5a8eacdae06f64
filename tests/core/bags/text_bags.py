"""Recordings of texts on three topics, written and read with ours."""

import numpy as np

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.foundation.message_types import message_types

STRING = "std_msgs/msg/String"


TYPES = message_types().types


def text(content):
    return TYPES[STRING](content)


def recorded(count=30):
    """(topic, stamp, text), written out of order as recorders with several threads do."""
    order = np.random.default_rng(0).permutation(count)
    return [(f"/t{i % 3}", int(i) * 1_000, "abc" * int(i)) for i in order]


def write(path, rows, compression="zstd"):
    with BagWriter(path, compression) as bag:
        for topic, stamp_ns, content in rows:
            bag.write(topic, STRING, stamp_ns, text(content))
    return path


def read(path, topics=None):
    with open_bag(path) as bag:
        rows = [(message.topic, message.stamp_ns, message.message.data) for message in bag.messages(topics)]
        assert bag.warnings == []
        return rows


def by_time(rows):
    return sorted(rows, key=lambda row: row[1])
