"""Recordings of a black box: readable as data sets, and never more of them than the disk's budget."""

from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.black_box.message_ring import MessageRing, RawMessage
from lidar_vl_core.black_box.recordings import BlackBoxFolder
from lidar_vl_core.foundation.errors import BadRequest
from tests.recordings import SHIPPED

STRING = "std_msgs/msg/String"
STREET = SHIPPED / "bags/street_mcap"
MB = 1 << 20


def noise(count, size=100_000, seed=0):
    rng = np.random.default_rng(seed)
    return [RawMessage("/t", STRING, index, b"\0\1\0\0" + rng.bytes(size)) for index in range(count)]


def test_what_a_ring_heard_of_a_recording_reads_as_that_recording(tmp_path):
    ring = MessageRing(60.0, 1 << 30)
    with open_bag(STREET) as bag:
        for each in bag.messages():
            ring.add(RawMessage(each.topic, each.type, each.stamp_ns, bytes(each.cdr)))
    folder = BlackBoxFolder(tmp_path / "box", 100 * MB, 0)
    path, dropped = folder.write(ring.last_seconds(), "operator", 0.0)
    assert (path.name, dropped) == ("19700101T000000Z_operator.mcap", 0)
    with open_recording(path) as again, open_recording(STREET) as before:
        for ours, theirs in zip(again.frames(), before.frames(), strict=True):
            np.testing.assert_array_equal(ours.cloud.xyz_m, theirs.cloud.xyz_m)
            assert [view.name for view in ours.views] == [view.name for view in theirs.views] != []
        assert again.warnings == before.warnings


def test_the_oldest_go_first_and_all_together_stay_within_the_budget(tmp_path):
    budget = 5 * MB
    folder = BlackBoxFolder(tmp_path, budget, 0)
    names = []
    for seed in range(6):
        path, _ = folder.write(noise(10, seed=seed), "flicker", 1000.0 * seed)
        names.append(path.name)
        assert folder.size() <= budget
    left = [path.name for path in folder.recordings()]
    assert left == names[-len(left) :]
    assert len(left) == 4


def test_files_of_others_stay_and_count_for_nothing(tmp_path):
    (tmp_path / "mine.mcap").write_bytes(b"x" * 10 * MB)
    folder = BlackBoxFolder(tmp_path, 3 * MB, 0)
    for at_s in range(4):
        folder.write(noise(10), "operator", float(at_s))
    assert (tmp_path / "mine.mcap").exists()
    assert len(folder.recordings()) == 2


def test_two_in_the_same_second_have_names_of_their_own(tmp_path):
    folder = BlackBoxFolder(tmp_path, 100 * MB, 0)
    names = {folder.write(noise(1), "operator", 5.0)[0].name for _ in range(3)}
    assert len(names) == 3
    assert len(folder.recordings()) == 3


def test_a_disk_that_fills_up_leaves_what_was_written_readable(tmp_path):
    free = iter([10 * MB, 10 * MB, *[0] * 9])
    folder = BlackBoxFolder(tmp_path, 100 * MB, MB, lambda _: next(free))
    with pytest.raises(BadRequest, match=r"after 200 of 500 messages.*min_free_mb"):
        folder.write(noise(500, 1000), "operator", 0.0)
    with open_bag(folder.recordings()[0]) as bag:
        assert len(list(bag.messages())) == 200


def test_nothing_heard_is_told_and_leaves_no_file(tmp_path):
    folder = BlackBoxFolder(tmp_path, MB, 0)
    with pytest.raises(BadRequest, match="none yet"):
        folder.write([], "operator", 0.0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRequest, match="expected a folder"):
        BlackBoxFolder(Path(tmp_path / "file" / "box"), MB, 0)
