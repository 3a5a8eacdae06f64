"""Recordings are written so that other tools read them, whole or not at all."""

import resource

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.message_types import message_types
from tests.core.bags.text_bags import STRING, TYPES, by_time, read, recorded, text, write

FORMS = ("one.mcap", "one.db3", "folder")


@pytest.mark.parametrize("name", FORMS)
def test_what_is_written_is_read_by_time(tmp_path, name):
    path = write(tmp_path / name, recorded())
    assert read(path) == by_time(recorded())
    assert read(path, ["/t1"]) == [row for row in by_time(recorded()) if row[0] == "/t1"]
    with open_bag(path) as bag:
        assert [(topic.name, topic.type, topic.count) for topic in bag.topics] == [
            (f"/t{i}", STRING, 10) for i in range(3)
        ]


@pytest.mark.parametrize("name", ["one.mcap", "folder"])
def test_another_library_reads_what_is_written(tmp_path, name):
    path = write(tmp_path / name, recorded())
    with AnyReader([path]) as reader:
        rows = [(c.topic, stamp, reader.deserialize(raw, c.msgtype).data) for c, stamp, raw in reader.messages()]
        assert {c.msgdef.data for c in reader.connections} == {"string data\n"}
        assert {c.digest for c in reader.connections} <= {"", message_types().hash_rihs01(STRING)}
    assert rows == by_time(recorded())


def test_a_latched_topic_is_recorded_as_latched(tmp_path):
    for name in ("one.mcap", "folder"):
        with BagWriter(tmp_path / name) as bag:
            bag.write("/tf_static", "tf2_msgs/msg/TFMessage", 1, TYPES["tf2_msgs/msg/TFMessage"]([]))
        with AnyReader([tmp_path / name]) as reader:
            (profile,) = reader.connections[0].ext.offered_qos_profiles
            assert profile.durability.name == "TRANSIENT_LOCAL"


@pytest.mark.parametrize("compression", ["zstd", "lz4", "none"])
def test_an_mcap_carries_checksums_and_compressed_chunks(tmp_path, compression):
    from mcap.reader import make_reader

    path = write(tmp_path / "one.mcap", recorded(), compression)
    assert read(path) == by_time(recorded())
    with path.open("rb") as handle:
        reader = make_reader(handle, validate_crcs=True)
        assert sum(1 for _ in reader.iter_messages()) == 30
        assert {index.compression for index in reader.get_summary().chunk_indexes} == {compression.replace("none", "")}
        assert reader.get_header().profile == "ros2"


@pytest.mark.parametrize("name", FORMS)
def test_an_interrupted_writer_leaves_nothing(tmp_path, name):
    def rows():
        yield "/t", 1, "a"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write(tmp_path / name, rows())
    assert list(tmp_path.iterdir()) == []


def test_a_recording_appears_only_when_it_is_complete_and_replaces_an_old_file(tmp_path):
    path = write(tmp_path / "one.mcap", recorded(3))
    with BagWriter(path) as bag:
        bag.write("/new", STRING, 1, text("a"))
        assert len(read(path)) == 3
    assert read(path) == [("/new", 1, "a")]
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def full_disk():
    """No file of this process grows beyond 100 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", FORMS)
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, name, full_disk):
    noise = np.random.default_rng(0).integers(0, 256, 50_000, np.uint8).tobytes().decode("latin-1")
    with pytest.raises(BadRequest, match=f"{name}: .*too large|{name}: .*(full|I/O)"):
        write(tmp_path / name, [("/t", stamp, noise) for stamp in range(40)])
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_not_overwritten(tmp_path):
    write(tmp_path / "bag", recorded(3))
    with pytest.raises(BadRequest, match="expected a new path, found a folder"):
        write(tmp_path / "bag", recorded(4))
    assert len(read(tmp_path / "bag")) == 3


def test_wrong_requests_to_a_writer_are_refused(tmp_path):
    with pytest.raises(BadRequest, match="compression: expected zstd, lz4 or none, found gzip"):
        BagWriter(tmp_path / "a.mcap", compression="gzip")
    with pytest.raises(BadRequest, match="expected an open recording"):
        BagWriter(tmp_path / "a.mcap").write("/t", STRING, 1, text("a"))
    with BagWriter(tmp_path / "a.mcap") as bag:
        with pytest.raises(BadRequest, match="topic /t: expected a message recorded at 0 to"):
            bag.write("/t", STRING, -1, text("a"))
        with pytest.raises(BadRequest, match="expected a message of ROS 2's common types, found my_msgs/msg/Own"):
            bag.write("/t", "my_msgs/msg/Own", 1, text("a"))
        with pytest.raises(BadRequest, match="values that do not fit"):
            bag.write("/t", STRING, 1, TYPES["std_msgs/msg/Header"](None, ""))
    with BagWriter(tmp_path / "b") as bag, pytest.raises(BadRequest, match=r"write an .mcap file"):
        bag.write("/t", "my_msgs/msg/Own", 1, b"\0\1\0\0")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRequest, match="expected a writable place"):
        write(tmp_path / "file/a.mcap", recorded(1))
    with pytest.raises(BadRequest, match="expected a writable place"):
        write(tmp_path / "file/a", recorded(1))


def test_a_recording_of_nothing_is_a_recording(tmp_path):
    for name in FORMS:
        path = write(tmp_path / name, [])
        assert read(path) == []
