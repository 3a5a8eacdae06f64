"""Recordings are read in every form rosbag2 writes them: whole, split, compressed, or refused by name."""

import sqlite3

import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.foundation.errors import BadBag, BadRequest
from lidar_vl_core.foundation.message_types import message_types
from tests.core.bags.text_bags import STRING, by_time, read, recorded, text, write
from tests.recordings import recording, recordings


def test_raw_bytes_of_an_unknown_type_are_kept_but_not_decoded(tmp_path):
    with BagWriter(tmp_path / "a.mcap") as bag:
        bag.write("/own", "my_msgs/msg/Own", 5, b"\0\1\0\0abcd")
    with open_bag(tmp_path / "a.mcap") as bag:
        (message,) = bag.messages()
        assert (message.type, message.data) == ("my_msgs/msg/Own", b"\0\1\0\0abcd")
        with pytest.raises(
            BadBag, match="topic /own: expected a message of ROS 2's common types, found my_msgs/msg/Own"
        ):
            _ = message.message


def test_bytes_that_are_no_such_message_are_refused_by_topic_and_type(tmp_path):
    with BagWriter(tmp_path / "a.mcap") as bag:
        for data in (b"", b"\0\1\0\0", b"\0\1\0\0\xff\xff\xff\xffabc", b"\xff" * 60):
            bag.write("/points", "sensor_msgs/msg/PointCloud2", 5, data)
    with open_bag(tmp_path / "a.mcap") as bag:
        for message in bag.messages():
            with pytest.raises(
                BadBag,
                match=r"topic /points: expected sensor_msgs/msg/PointCloud2, found .* bytes that do not decode as one",
            ):
                _ = message.message


def rosbags_folder(path, mode):
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, stamp_ns, content in recorded():
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, STRING, typestore=message_types())
            writer.write(connections[topic], stamp_ns, message_types().serialize_cdr(text(content), STRING))
    return path


@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_rosbag2_compression_of_files_and_messages_is_unpacked(tmp_path, mode):
    assert read(rosbags_folder(tmp_path / "bag", mode)) == by_time(recorded())


def split_folder(tmp_path, suffix, names):
    rows, folder = by_time(recorded()), tmp_path / "bag"
    folder.mkdir()
    for index, name in enumerate(names):
        write(folder / f"{name}{suffix}", rows[index * 10 : index * 10 + 10])
    return folder


@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_a_split_recording_is_one_recording(tmp_path, suffix):
    folder = split_folder(tmp_path, suffix, ["bag_0", "bag_1", "bag_2"])
    names = [f"old_place/bag_{i}{suffix}" for i in range(3)]
    (folder / "metadata.yaml").write_text(f"rosbag2_bagfile_information: {{relative_file_paths: {names}}}\n")
    assert read(folder) == by_time(recorded())


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "",
        "[",
        "a: 1",
        "rosbag2_bagfile_information: 4",
        "rosbag2_bagfile_information: {relative_file_paths: [[bag_2.mcap]]}",
        "!!python/object:os.system x",
        "!!bool x",
        "!!float ''",
        "rosbag2_bagfile_information: {relative_file_paths: !!set {bag_2.mcap}}",
        f"rosbag2_bagfile_information: {'[' * 100_000}",
        "a: &a [x, x]\nrosbag2_bagfile_information: {relative_file_paths: [*a, *a]}",
        "a: " + "9" * 100_000,
        "\udcff",
    ],
    ids=lambda text: repr(text)[:30],
)
def test_a_folder_without_usable_metadata_is_read_by_file_names_with_a_warning(tmp_path, metadata):
    folder = split_folder(tmp_path, ".mcap", ["bag_2", "bag_9", "bag_10"])
    if metadata is not None:
        (folder / "metadata.yaml").write_bytes(metadata.encode("utf-8", "surrogateescape"))
    with open_bag(folder) as bag:
        assert len(list(bag.messages())) == 30
        assert len(bag.warnings) == 1
        assert "ros2 bag reindex" in bag.warnings[0]


def test_a_split_file_that_is_missing_is_named(tmp_path):
    folder = split_folder(tmp_path, ".mcap", ["bag_0", "bag_1"])
    names = "[bag_0.mcap, bag_1.mcap, bag_2.mcap]"
    (folder / "metadata.yaml").write_text(f"rosbag2_bagfile_information: {{relative_file_paths: {names}}}\n")
    with open_bag(folder) as bag:
        assert len(list(bag.messages())) == 20
        assert len(bag.warnings) == 1
        assert "expected bag_2.mcap as metadata.yaml says" in bag.warnings[0]


NO_BAGS = {
    "missing": "found no such file or folder",
    "empty_folder": "expected .mcap, .db3 or .bag files, found none",
    "empty.mcap": "expected an MCAP, rosbag2 sqlite3 or ROS 1 bag file, found 0 bytes",
    "text.mcap": "found 15 bytes that start with 6a 75 73 74",
    "old.bag": "found a ROS 1 bag of version 'V1.2'. Convert it",
    "other.db3": "expected a rosbag2 sqlite3 file with a table of topics, found: no such table",
}


@pytest.mark.parametrize("name", NO_BAGS)
def test_what_is_no_recording_is_refused(tmp_path, name):
    (tmp_path / "empty_folder").mkdir()
    (tmp_path / "empty.mcap").write_bytes(b"")
    (tmp_path / "text.mcap").write_text("just some text\n")
    (tmp_path / "old.bag").write_text("#ROSBAG V1.2\n")
    with sqlite3.connect(tmp_path / "other.db3") as database:
        database.execute("CREATE TABLE something (id INTEGER)")
    database.close()
    with pytest.raises(BadBag, match=NO_BAGS[name]):
        open_bag(tmp_path / name)


def test_the_last_messages_of_a_killed_recorder_are_in_its_write_ahead_log(tmp_path):
    path = write(tmp_path / "one.db3", recorded(3))
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    data = bytes(message_types().serialize_cdr(text("late"), STRING))
    database.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (1, 99000, ?)", (data,))
    database.commit()
    (tmp_path / "copy").mkdir()
    for name in ("one.db3", "one.db3-wal"):
        (tmp_path / "copy" / name).write_bytes((tmp_path / name).read_bytes())
    database.close()
    assert read(tmp_path / "copy/one.db3")[-1][1:] == (99000, "late")


def test_topics_are_found_by_type_and_asked_for_only_where_there_are_two(tmp_path):
    path = write(tmp_path / "one.mcap", [("/a", 1, "x")])
    with open_bag(path) as bag:
        assert bag.topic_of_type("std_msgs/msg/String") == "/a"
        assert bag.topic_of_type("std_msgs/String") == "/a"
        assert bag.topic_of_type(STRING, "/a") == "/a"
        with pytest.raises(
            BadRequest, match=r"topic /b: expected std_msgs/msg/String, found no such topic. Topics of that type: /a"
        ):
            bag.topic_of_type(STRING, "/b")
        with pytest.raises(
            BadRequest, match=r"expected a topic of sensor_msgs/msg/Image, found /a \(std_msgs/msg/String\)"
        ):
            bag.topic_of_type("sensor_msgs/msg/Image")
        with pytest.raises(BadRequest, match="topic /a: expected sensor_msgs/msg/Image, found std_msgs/msg/String"):
            bag.topic_of_type("sensor_msgs/msg/Image", "/a")
        with pytest.raises(BadRequest, match="topic /c: expected one of /a"):
            bag.messages(["/c"])
    with open_bag(write(tmp_path / "two.mcap", [("/a", 1, "x"), ("/b", 1, "x")])) as bag:
        with pytest.raises(
            BadRequest, match=r"expected one topic of std_msgs/msg/String, found /a, /b. Name one of them"
        ):
            bag.topic_of_type(STRING)
        assert bag.topic_of_type(STRING, "/b") == "/b"


def test_messages_are_decoded_only_when_asked_for(tmp_path):
    with BagWriter(tmp_path / "a.mcap") as bag:
        bag.write("/t", STRING, 1, b"no message")
    with open_bag(tmp_path / "a.mcap") as bag:
        assert [message.data for message in bag.messages()] == [b"no message"]


MESSAGES = {
    "street_mcap": 10,
    "street_mcap/street_mcap.mcap": 10,
    "street_db3_raw": 7,
    "packets_vlp16/scans": 4,
    "without_metadata/sample.db3": 5,
    "odometry_turtlebot/odometry.mcap": 125,
    "kitti_raw_2011_09_26_mcap": 37,
    "kitti_raw_2011_09_26_mcap/kitti_raw_2011_09_26_mcap.mcap": 37,
    "kitti_raw_2011_09_26_db3_raw": 7,
    "nebula_vlp16/1673400471837873222": 4,
    "rosbag2js_sample/sample.db3": 5,
    "evo_nav2_turtlebot/nav2_turtlebot.mcap": 8197,
}


@pytest.mark.parametrize("path", recordings(*(f"bags/{name}" for name in MESSAGES)))
def test_recordings_are_read_whole(path):
    name = path.as_posix().rpartition("/bags/")[2]
    with open_bag(path) as bag:
        messages = list(bag.messages())
        assert len(messages) == MESSAGES[name] == sum(topic.count for topic in bag.topics)
        assert bag.warnings == []
    stamps = [message.stamp_ns for message in messages]
    assert stamps == sorted(stamps)
    assert all("/msg/" in message.type for message in messages)
    for message in messages[:50]:
        if not message.type.startswith("velodyne"):
            assert message.message is message.message


def test_raw_lidar_packets_are_refused_by_type_and_only_when_clouds_are_asked_for(test_data):
    with open_bag(recording(test_data, "bags/*_vlp16/*/metadata.yaml").parent) as bag:
        assert len(list(bag.messages())) == 4
        for asked in (None, "/velodyne_packets"):
            with pytest.raises(
                BadRequest, match=r"found .*velodyne_msgs/msg/VelodyneScan. .*play the bag through its driver"
            ):
                bag.topic_of_type("sensor_msgs/msg/PointCloud2", asked)
