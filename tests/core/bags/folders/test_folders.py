"""Folders as people keep recordings: nested, renamed, split, half unpacked, with or without metadata of any version."""

import shutil
import sqlite3

import pytest
import zstandard
from rosbags.rosbag2 import StoragePlugin, Writer

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.commands.recordings.inspection import inspection, inspection_text
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.foundation.message_types import message_types, to_cdr
from tests.core.bags.drives import CLOUD, at, cloud, drive
from tests.core.bags.drives import write as write_drive

STRING = "std_msgs/msg/String"
TYPES = message_types().types


def rows(first=0, count=6):
    return [(f"/t{k % 2}", 1_000 * k, f"text {k}") for k in range(first, first + count)]


def write(path, recorded):
    path.parent.mkdir(parents=True, exist_ok=True)
    with BagWriter(path) as bag:
        for topic, stamp_ns, content in recorded:
            bag.write(topic, STRING, stamp_ns, TYPES[STRING](content))
    return path


def read(path):
    with open_bag(path) as bag:
        return [(m.topic, m.stamp_ns, m.message.data) for m in bag.messages()], bag.warnings


def metadata(folder, names, **more):
    text = ", ".join([f"relative_file_paths: {names}", *(f"{key}: {value}" for key, value in more.items())])
    (folder / "metadata.yaml").write_text(f"rosbag2_bagfile_information: {{{text}}}\n")


@pytest.mark.parametrize("inside", ["run/bag", "a/b/bag", "bag.mcap", "run/bag.db3"])
def test_the_only_recording_below_a_folder_is_opened(tmp_path, inside):
    write(tmp_path / "data" / inside, rows())
    (tmp_path / "data/notes").mkdir()
    (tmp_path / "data/notes/readme.txt").write_text("rain")
    assert read(tmp_path / "data")[0] == rows()


def test_several_recordings_below_a_folder_are_named(tmp_path):
    for name in ("morning", "evening/second"):
        write(tmp_path / "data" / name, rows())
    with pytest.raises(BadBag, match=r"data: expected one recording, found evening/second, morning. Give one of these"):
        open_bag(tmp_path / "data")
    for k in range(20):
        write(tmp_path / f"many/{k:02}/bag.mcap", rows())
    with pytest.raises(BadBag, match=r"found 00, 01, .*, 09, \.\.\.\. Give one"):
        open_bag(tmp_path / "many")


def test_splits_without_metadata_are_one_recording_and_hidden_files_none(tmp_path):
    for k in (9, 10, 11):
        write(tmp_path / f"data/splits/bag_{k}.mcap", rows(6 * k))
    (tmp_path / "data/splits/._bag_9.mcap").write_bytes(b"\0\5\x16\7")
    found, (warning,) = read(tmp_path / "data")
    assert found == rows(54, 18)
    assert "expected metadata.yaml, found none" in warning


def test_the_same_recording_in_two_formats_is_not_read_twice(tmp_path):
    write(tmp_path / "bag.mcap", rows())
    write(tmp_path / "bag.db3", rows())
    with pytest.raises(BadBag, match=r"found \.db3 and \.mcap files side by side.*bag\.db3, bag\.mcap\. Give one file"):
        open_bag(tmp_path)


@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
@pytest.mark.parametrize("kept", ["packed", "both", "unpacked"])
def test_a_file_packed_as_a_whole_is_found_before_and_after_unpacking(tmp_path, suffix, kept):
    path = write(tmp_path / f"bag_0{suffix}", rows())
    packed = tmp_path / f"bag_0{suffix}.zstd"
    half = len(path.read_bytes()) // 2  # some packers write several frames
    packed.write_bytes(zstandard.compress(path.read_bytes()[:half]) + zstandard.compress(path.read_bytes()[half:]))
    if kept == "packed":
        path.unlink()
    if kept == "unpacked":
        packed.unlink()
    metadata(tmp_path, [f"bag_0{suffix}.zstd"], compression_format="zstd", compression_mode="FILE")
    assert read(tmp_path) == (rows(), [])
    (tmp_path / "metadata.yaml").unlink()
    assert read(tmp_path)[0] == rows()


def test_a_file_that_unpacks_to_more_than_there_is_room_for_is_refused(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 22)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    (tmp_path / "bomb.mcap.zstd").write_bytes(zstandard.compress(bytes(1 << 28)))
    with pytest.raises(
        BadBag, match=r"expected it to fit into half of what is free in .* when unpacked, found it larger"
    ):
        open_bag(tmp_path / "bomb.mcap.zstd")
    (tmp_path / "twice.mcap.zstd").write_bytes(zstandard.compress(zstandard.compress(b"\x89MCAP0\r\n")))
    with pytest.raises(BadBag, match="compressed by zstd once, found it compressed twice"):
        open_bag(tmp_path / "twice.mcap.zstd")


@pytest.mark.parametrize("names", ["[old_0.mcap]", r"['C:\\data\\old\\old_0.mcap']", "[]"])
def test_files_that_were_renamed_are_read_by_their_names_and_that_is_told(tmp_path, names):
    write(tmp_path / "new_0.mcap", rows())
    metadata(tmp_path, names)
    found, (warning,) = read(tmp_path)
    assert found == rows()
    assert "expected the names of the files beside it, found" in warning


@pytest.mark.parametrize("name", [r"'C:\\data\\bag\\bag_0.mcap'", "/home/u/bag/bag_0.mcap", "bag/bag_0.mcap"])
def test_a_moved_recording_is_found_though_its_metadata_tells_the_old_place(tmp_path, name):
    write(tmp_path / "bag_0.mcap", rows())
    metadata(tmp_path, f"[{name}]")
    assert read(tmp_path) == (rows(), [])


@pytest.mark.parametrize("storage", list(StoragePlugin))
@pytest.mark.parametrize("version", [8, 9])
def test_metadata_as_another_library_writes_it_is_read(tmp_path, version, storage):
    with Writer(tmp_path / "bag", version=version, storage_plugin=storage) as writer:
        connections = {t: writer.add_connection(t, STRING, typestore=message_types()) for t in ("/t0", "/t1")}
        for topic, stamp_ns, content in rows():
            writer.write(connections[topic], stamp_ns, to_cdr(TYPES[STRING](content), STRING))
    assert read(tmp_path / "bag") == (rows(), [])


SQLITE_KINDS = {  # columns of topics: Dashing to Jazzy
    "dashing": "id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT",
    "foxy": "id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT, offered_qos_profiles TEXT",
    "jazzy": "id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT, offered_qos_profiles TEXT, "
    "type_description_hash TEXT",
}


@pytest.mark.parametrize("version", range(1, 10))
@pytest.mark.parametrize("kind", SQLITE_KINDS)
def test_sqlite_of_every_distribution_is_read_with_metadata_of_every_version(tmp_path, kind, version):
    with sqlite3.connect(tmp_path / "bag_0.db3") as database:
        database.execute(f"CREATE TABLE topics({SQLITE_KINDS[kind]})")
        database.execute(
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)"
        )
        for number in (1, 2):
            database.execute(
                "INSERT INTO topics(id, name, type, serialization_format) VALUES (?, ?, ?, 'cdr')",
                (number, f"/t{number - 1}", STRING),
            )
        for topic, stamp_ns, content in rows():
            data = to_cdr(TYPES[STRING](content), STRING)
            database.execute("INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)", (int(topic[-1]) + 1, stamp_ns, data))  # fmt: skip
    database.close()
    metadata(tmp_path, "[bag/bag_0.db3]" if version < 3 else "[bag_0.db3]", version=version, compression_mode="''")
    assert read(tmp_path) == (rows(), [])


def test_splits_with_a_gap_and_an_overlap_are_read_by_time(tmp_path):
    write(tmp_path / "bag_0.mcap", rows(0, 6))
    write(tmp_path / "bag_1.mcap", rows(900, 6))
    write(tmp_path / "bag_2.mcap", rows(903, 6))
    metadata(tmp_path, "[bag_0.mcap, bag_1.mcap, bag_2.mcap]")
    found, warnings = read(tmp_path)
    assert found == sorted(rows(0, 6) + rows(900, 6) + rows(903, 6), key=lambda row: row[1])
    assert warnings == []


@pytest.mark.parametrize("stamps", [[0] * 6, [5, 4, 3, 2, 1, 0], [3, 0, 3, 0, 9, 1]])
@pytest.mark.parametrize("name", ["a.mcap", "a.db3"])
def test_log_times_of_any_order_keep_every_message(tmp_path, name, stamps):
    recorded = [("/t", stamp, f"text {k}") for k, stamp in enumerate(stamps)]
    assert read(write(tmp_path / name, recorded)) == (sorted(recorded, key=lambda row: row[1]), [])


def test_clouds_that_cannot_be_read_are_told_before_a_replay(tmp_path):
    bad = cloud(at(0))
    bad.point_step = 3
    good = ("/lidar/points", CLOUD, at(2), cloud(at(2)))
    path = write_drive(tmp_path / "a.mcap", [("/lidar/points", CLOUD, at(k), bad) for k in range(2)] + [good])
    found = inspection(path)
    assert found["clouds"]["/lidar/points"]["points"] == 5
    assert "/lidar/points: the first 2 clouds cannot be read and are skipped: " in found["warnings"][0]
    assert found["replay"] == "clouds of /lidar/points, without camera images"
    found = inspection(write_drive(tmp_path / "b.mcap", [("/lidar/points", CLOUD, at(0), bad)]))
    assert found["replay"].startswith("not as recorded: no cloud of /lidar/points can be read: ")
    assert "cannot be read: " in inspection_text(found)


def test_a_camera_that_no_transform_places_is_not_promised(tmp_path):
    found = inspection(write_drive(tmp_path / "a.mcap", drive(with_tf=False)))
    assert found["replay"] == "clouds of /lidar/points, without camera images"
    assert "camera front: the recording does not say where front_optical is in lidar" in found["warnings"][0]
    assert inspection(write_drive(tmp_path / "b.mcap", drive()))["replay"] == "clouds of /lidar/points with 1 camera"


def test_a_file_that_metadata_name_in_several_ways_is_read_once(tmp_path):
    write(tmp_path / "a.mcap", rows())
    (tmp_path / "a.mcap.zstd").write_bytes(zstandard.compress((tmp_path / "a.mcap").read_bytes()))
    metadata(tmp_path, ["a.mcap", "a.mcap.zstd", "./a.mcap", "run/a.mcap"])
    assert read(tmp_path) == (rows(), [])


def test_of_endless_missing_files_the_first_are_named_and_the_rest_counted(tmp_path):
    write(tmp_path / "a.mcap", rows())
    metadata(tmp_path, ["a.mcap", *(f"b{number}.mcap" for number in range(50))])
    found, warnings = read(tmp_path)
    assert found == rows()
    assert len(warnings) == 21
    assert warnings[-1] == f"{tmp_path.name}: and 30 more files are missing."
