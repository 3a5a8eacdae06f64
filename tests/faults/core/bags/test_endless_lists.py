"""Messages whose lists would become more Python objects than memory holds, or take hours to walk: refused at little cost."""

import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.surroundings import read_surroundings
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.commands.recordings.inspection import inspection
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from lidar_vl_core.foundation.vision_messages import DETECTIONS_TYPE

TF_TYPE = "tf2_msgs/msg/TFMessage"
MOST_BYTES = 300 << 20
_STAMP = struct.pack("<iI", 1, 2)


def _text(out: bytearray, text: str) -> None:
    data = text.encode() + b"\0"
    out += bytes(-len(out) % 4) + struct.pack("<I", len(data)) + data


def _transforms(count: int, parent: Callable[[int], str], child: Callable[[int], str]) -> bytes:
    out = bytearray(struct.pack("<I", count))
    for number in range(count):
        out += bytes(-len(out) % 4) + _STAMP
        _text(out, parent(number))
        _text(out, child(number))
        out += bytes(-len(out) % 8) + struct.pack("<7d", 0, 0, 0, 0, 0, 0, 1)
    return b"\0\1\0\0" + bytes(out)


def _cloud_of_fields(count: int) -> bytes:
    field = struct.pack("<I", 2) + b"x\0\0\0" + struct.pack("<I", 0) + b"\7\0\0\0" + struct.pack("<I", 1)
    return (
        b"\0\1\0\0"
        + _STAMP
        + struct.pack("<I", 2)
        + b"l\0\0\0"
        + struct.pack("<3I", 1, 1, count)
        + field * count
        + bytes(64)
    )


def _cloud_of_frame(frame: str) -> bytes:
    out = bytearray(_STAMP)
    _text(out, frame)
    return b"\0\1\0\0" + bytes(out) + bytes(64)


def _boxes(count: int) -> bytes:
    box = _STAMP + struct.pack("<I", 1) + bytes(4) + struct.pack("<I", 0) + bytes(4) + struct.pack("<10d", *[1.0] * 10) + struct.pack("<I", 1) + bytes(4)  # fmt: skip
    return b"\0\1\0\0" + _STAMP + struct.pack("<I", 1) + bytes(4) + struct.pack("<I", count) + box * count


@pytest.mark.parametrize(
    ("topic", "type_name", "data"),
    [
        ("/tf_static", TF_TYPE, _transforms(100_000, lambda _: "a", lambda k: f"f{k}")),
        ("/points", CLOUD_TYPE, _cloud_of_fields(1_000_000)),
        ("/boxes", DETECTIONS_TYPE, _boxes(200_000)),
        ("/points", CLOUD_TYPE, _cloud_of_frame("f" * 50_000_000)),
    ],
    ids=["transforms", "fields", "boxes", "name of a frame"],
)
def test_a_list_that_nobody_sends_is_refused_before_it_is_made(tmp_path: Path, topic, type_name, data) -> None:
    path = tmp_path / "a.mcap"
    with BagWriter(path) as bag:
        for stamp_ns in range(3):
            bag.write(topic, type_name, stamp_ns, data)
    tracemalloc.start()
    start_s = time.monotonic()
    found = inspection(path)
    taken_s, (_, most) = time.monotonic() - start_s, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < MOST_BYTES
    assert taken_s < 20
    with (
        open_bag(path) as bag,
        pytest.raises(BadBag, match=r"do not decode as one \((more than|a frame whose|\d+ fields)"),
    ):
        _ = next(bag.messages([topic])).message
    assert found["topics"][0]["count"] == 3


@pytest.mark.parametrize(
    ("parent", "child"),
    [(lambda k: f"f{k}", lambda k: f"f{k + 1}"), (lambda _: "base", lambda k: f"f{k}")],
    ids=["each above the next", "all below one"],
)
def test_of_endless_frames_the_first_are_taken_and_the_rest_is_counted(tmp_path: Path, parent, child) -> None:
    path = tmp_path / "a.mcap"
    with BagWriter(path) as bag:
        bag.write("/tf_static", TF_TYPE, 1, _transforms(20_000, parent, child))
        bag.write("/tf_static", TF_TYPE, 2, _transforms(10, lambda k: f"other{k}", lambda _: "f2"))
    start_s = time.monotonic()
    with open_bag(path) as bag:
        found = read_surroundings(bag)
    assert time.monotonic() - start_s < 20
    assert len(found.transforms.edges()) == 5_000
    assert sum("expected at most 5000 frames" in problem for problem in found.problems) == 20
    assert found.problems.count("/tf_static: further transforms are left out") == 15_010 - 20
