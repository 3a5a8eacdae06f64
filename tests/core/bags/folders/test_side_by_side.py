"""Recordings side by side in a folder are one only where their names differ by numbers alone; other files are told apart."""

from pathlib import Path

import pytest
import zstandard

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.foundation.message_types import message_types

STRING = "std_msgs/msg/String"


def rows(first=0, count=6):
    return [(1_000 * k, f"text {k}") for k in range(first, first + count)]


def write(folder: Path, recorded) -> Path:
    """An MCAP to be renamed: what a file is shows in its first bytes, not in its name."""
    with BagWriter(folder / "any.mcap") as bag:
        for stamp_ns, text in recorded:
            bag.write("/t", STRING, stamp_ns, message_types().types[STRING](text))
    return folder / "any.mcap"


def read(path):
    with open_bag(path) as bag:
        return [(m.stamp_ns, m.message.data) for m in bag.messages()], bag.warnings


@pytest.mark.parametrize(
    "names",
    [
        ("harbour.mcap", "town.mcap"),
        ("drive.db3", "drive_filtered.db3"),
        ("bag_0.mcap", "bag_1.mcap", "predictions.mcap"),
        ("monday.bag", "tuesday.bag"),
    ],
)
def test_recordings_of_their_own_side_by_side_are_not_read_as_one(tmp_path, names):
    (tmp_path / "data").mkdir()
    for name in names:
        write(tmp_path, rows()).rename(tmp_path / "data" / name)
    with pytest.raises(
        BadBag, match=f"expected the files of one recording, found several: {', '.join(names)}. Give one"
    ):
        open_bag(tmp_path / "data")
    (tmp_path / "data/metadata.yaml").write_text(f"rosbag2_bagfile_information: {{relative_file_paths: [{names[0]}]}}")
    assert read(tmp_path / "data") == (rows(), [])


@pytest.mark.parametrize(
    "names",
    [
        ("rosbag2_2024_01_31-23_58_00_0.mcap", "rosbag2_2024_01_31-23_58_00_1.mcap"),
        ("2024-01-31-23-58-00_0.bag", "2024-02-01-00-03-00_1.bag.active"),
        ("1673400471.db3", "1673400472.db3.zstd"),
    ],
)
def test_parts_that_differ_by_their_numbers_and_times_are_one_recording_and_that_is_told(tmp_path, names):
    for k, name in enumerate(names):
        content = write(tmp_path, rows(6 * k)).read_bytes()
        (tmp_path / name).write_bytes(zstandard.compress(content) if name.endswith(".zstd") else content)
        (tmp_path / "any.mcap").unlink()
    found, (warning,) = read(tmp_path)
    assert found == rows(0, 12)
    assert (
        "its 2 files are read as parts of one recording. Give one file if they are recordings of their own" in warning
    )


@pytest.mark.parametrize(("name", "told"), [("000000.bin", "`lidar-vl segment`"), ("metadata.yaml", "Give its folder")])
def test_what_is_beside_a_recording_is_told_for_what_it_is(tmp_path, name, told):
    (tmp_path / name).write_bytes(bytes(64))
    with pytest.raises(BadBag, match=told):
        open_bag(tmp_path / name)
