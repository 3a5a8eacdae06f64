"""Recordings of ROS 1: .bag files and MCAPs, whole, cut, never closed, and hostile."""

import random
import struct

import numpy as np
import pytest
from rosbags.rosbag1 import Reader

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.commands.recordings.inspection import inspection
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.foundation.message_types import full_type_name
from tests.core.bags.ros1_recordings import (
    CLOUD,
    MODES,
    POINTS,
    START_NS,
    STRING,
    TF,
    street,
    texts,
    write_bag,
    write_mcap,
)
from tests.written.bag_records import ros1_bag, ros1_record


@pytest.mark.parametrize("tf", [("/tf", "tf/msg/tfMessage"), ("/tf_static", TF), ("/tf", TF)])
@pytest.mark.parametrize("write", [write_bag, write_mcap])
def test_a_street_of_ros1_gives_clouds_with_their_camera(tmp_path, write, tf):
    path = write(tmp_path / "street", street(*tf))
    with open_recording(path) as recording:
        frames = list(recording.frames())
        assert [
            text for text in recording.warnings if not text.startswith("intensity: ")
        ] == []  # these clouds have none
    assert [frame.cloud.stamp_ns for frame in frames] == [START_NS + k * 100_000_000 for k in range(3)]
    for frame in frames:
        np.testing.assert_array_equal(frame.cloud.xyz_m, np.arange(3 * POINTS).reshape(-1, 3))
        (view,) = frame.views
        assert view.camera.K[0, 0] == 32
        assert view.load_rgb().shape == (48, 64, 3)
        np.testing.assert_allclose(view.T_cam_lidar.apply(np.array([[10.0, 0, 0.5]])), [[0, 0, 10]], atol=1e-9)
    found = inspection(path)
    assert found["replay"] == "clouds of /points with 1 camera"
    assert {topic["name"]: topic["count"] for topic in found["topics"]}["/points"] == 3


@pytest.mark.parametrize("mode", MODES)
def test_what_another_reader_finds_in_a_bag_is_found(tmp_path, mode):
    path = write_bag(tmp_path / "a.bag", texts(), mode, chunk_bytes=4096)
    with Reader(path) as reader:
        expected = [(connection.topic, stamp_ns, data) for connection, stamp_ns, data in reader.messages()]
    with open_bag(path) as bag:
        assert [(m.topic, m.stamp_ns, m.data) for m in bag.messages()] == expected
        assert {(topic.name, topic.type, topic.count) for topic in bag.topics} == {(f"/t{i}", STRING, 100) for i in range(3)}  # fmt: skip
        assert bag.warnings == []
    assert expected[0][2] == next(texts())[3]


@pytest.mark.parametrize("mode", MODES)
def test_a_bag_cut_at_any_byte_yields_what_is_whole_and_one_warning(tmp_path, mode):
    whole = write_bag(tmp_path / "a.bag", texts(), mode, chunk_bytes=4096).read_bytes()
    recorded, generator = {(row[0], row[2], row[3]) for row in texts()}, random.Random(1)
    found_share, cut_share = 0.0, 0.0
    for _ in range(40):
        cut = generator.randrange(13, len(whole))
        (tmp_path / "cut.bag").write_bytes(whole[:cut])
        with open_bag(tmp_path / "cut.bag") as bag:
            found = [(m.topic, m.stamp_ns, m.data) for m in bag.messages()]
            announced = sum(topic.count for topic in bag.topics)
            assert len(bag.warnings) == 1
        assert set(found) <= recorded
        assert len(found) == announced
        found_share, cut_share = found_share + len(found) / 300, cut_share + cut / len(whole)
    assert found_share > 0.85 * cut_share


@pytest.mark.parametrize("mode", MODES)
def test_a_bag_whose_recorder_was_killed_is_read(tmp_path, mode):
    whole = write_bag(tmp_path / "a.bag", texts(), mode, chunk_bytes=4096).read_bytes()
    index = struct.unpack("<Q", whole[whole.index(b"index_pos=") + 10 :][:8])[0]
    never_closed = whole[:index].replace(b"index_pos=" + struct.pack("<Q", index), b"index_pos=" + bytes(8))
    (tmp_path / "a.bag.active").write_bytes(never_closed)
    with open_bag(tmp_path / "a.bag.active") as bag:
        assert len(list(bag.messages())) == 300
        assert bag.warnings == [
            "a.bag.active: expected a closed bag, found one whose recorder was killed. Everything it wrote is read."
        ]


def test_a_bag_that_ends_between_two_records_is_told_as_cut(tmp_path):
    whole = write_bag(tmp_path / "a.bag", texts(), chunk_bytes=4096).read_bytes()
    index = struct.unpack("<Q", whole[whole.index(b"index_pos=") + 10 :][:8])[0]
    (tmp_path / "a.bag").write_bytes(whole[:index])
    with open_bag(tmp_path / "a.bag") as bag:
        assert len(list(bag.messages())) == 300
        assert f"found it cut at byte {index}: its 300 complete messages are read" in bag.warnings[0]


def test_one_damaged_chunk_costs_only_its_own_messages(tmp_path):
    whole = bytearray(write_bag(tmp_path / "a.bag", texts(), "bz2", chunk_bytes=4096).read_bytes())
    whole[whole.index(b"BZh", len(whole) // 2) + 30] ^= 1
    (tmp_path / "b.bag").write_bytes(whole)
    with open_bag(tmp_path / "b.bag") as bag:
        found = len(list(bag.messages()))
        assert 250 < found < 300
        assert f"found 1 damaged: {300 - found} messages are lost" in bag.warnings[0]


def test_sizes_that_a_hostile_bag_claims_cost_no_memory(tmp_path):
    import bz2

    import lz4.frame

    bomb = bytes(1 << 27)
    chunk = [b"op=\x05", b"size=" + struct.pack("<I", 1000)]
    hostile = {
        "header": struct.pack("<I", 2**32 - 1) + bytes(100),
        "data": ros1_record([b"op=\x07"], b"")[:-4] + struct.pack("<I", 2**32 - 1),
        "field": ros1_record([b"op=\x07", b"conn=" + bytes(5000)], b""),
        "size": ros1_record([b"op=\x05", b"compression=none", b"size=\xff\xff\xff\xff"], bytes(1000)),
        "lz4": ros1_record([*chunk, b"compression=lz4"], lz4.frame.compress(bomb)),
        "bz2": ros1_record([*chunk, b"compression=bz2"], bz2.compress(bomb)),
        "index": ros1_record([*chunk, b"compression=none"], bytes(1000))
        + ros1_record([b"op=\x04", b"conn=" + bytes(4), b"count=\xff\xff\xff\xff"], bytes(12)),
    }
    for kind, data in hostile.items():
        (tmp_path / f"{kind}.bag").write_bytes(ros1_bag(data))
        with open_bag(tmp_path / f"{kind}.bag") as bag:
            assert list(bag.messages()) == []


def test_flipped_bits_never_end_in_a_traceback(tmp_path):
    whole = write_bag(tmp_path / "a.bag", texts(60), "lz4", chunk_bytes=2048).read_bytes()
    generator = random.Random(2)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[generator.randrange(13, len(whole))] ^= 1 << generator.randrange(8)
        (tmp_path / "b.bag").write_bytes(damaged)
        with open_bag(tmp_path / "b.bag") as bag:
            for message in bag.messages():
                try:
                    _ = message.message
                except BadBag as error:
                    assert message.topic in str(error)  # noqa: PT017


def test_an_encrypted_bag_is_named(tmp_path):
    start = ros1_record([b"op=\x03", b"encryptor=rosbag/AesCbcEncryptor"], bytes(50))
    (tmp_path / "a.bag").write_bytes(b"#ROSBAG V2.0\n" + start)
    with pytest.raises(BadBag, match="expected a plain bag, found an encrypted one"):
        open_bag(tmp_path / "a.bag")


def test_a_type_that_ros2_does_not_have_is_kept_and_named_when_asked_for(tmp_path):
    path = write_mcap(tmp_path / "a.mcap", [("/own", "my_msgs/msg/Own", 5, b"abcd")])
    with open_bag(path) as bag:
        (topic,), (message,) = bag.topics, bag.messages()
        assert not topic.has_cdr
        with pytest.raises(BadBag, match="topic /own: expected a message of ROS 2's common types, found my_msgs"):
            _ = message.message
    with open_bag(write_mcap(tmp_path / "b.mcap", [("/points", CLOUD, 5, b"abcd")])) as bag:
        (message,) = bag.messages()
        with pytest.raises(
            BadBag, match="expected sensor_msgs/msg/PointCloud2 of ROS 1, found 4 bytes that do not decode as one"
        ):
            _ = message.message
    assert full_type_name("tf/tfMessage") == TF
