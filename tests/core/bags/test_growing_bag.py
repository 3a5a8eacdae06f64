"""Live recordings: what is there after a kill, on a full disk, and in which files."""

import os
import resource
import signal
import subprocess
import sys
from contextlib import closing, contextmanager

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.growing_bag import GrowingBag, Limits
from lidar_vl_core.foundation.errors import BadRequest
from tests.faults.harness.amount import amount

STRING = "std_msgs/msg/String"
NO_LIMITS = Limits()
TRIALS = amount(quick=1, long=50)
_RECORDS_FOR_EVER = """
import sys
from itertools import count
from pathlib import Path
from lidar_vl_core.bags.writing.growing_bag import GrowingBag, Limits

now_s = 0.0
bag = GrowingBag(Path(sys.argv[1]), Limits(), now_s=lambda: now_s)
for i in count():
    bag.write("/t", "std_msgs/msg/String", i, b"\\0\\1\\0\\0" + i.to_bytes(8, "little") * 100)
    if i % 10 == 9:
        now_s += 1.0
        bag.close_chunk_in_time()
        print(i + 1, flush=True)
"""


def noise(index, size=20_000):
    return b"\0\1\0\0" + np.random.default_rng(index).integers(0, 256, size, np.uint8).tobytes()


def stamps(path):
    """Stamps of all messages, each compared with what was written, and the reader's warnings."""
    with open_bag(path) as bag:
        messages = list(bag.messages())
        assert all(message.data == noise(message.stamp_ns, len(message.data) - 4) for message in messages)
        return [message.stamp_ns for message in messages], bag.warnings


def write(bag, indices, size=20_000):
    for index in indices:
        bag.write("/t", STRING, index, noise(index, size))


@contextmanager
def no_file_beyond(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["run.mcap", "run"])
@pytest.mark.parametrize("trial", range(TRIALS))
def test_of_a_killed_recorder_all_but_the_last_second_is_read_with_a_warning(tmp_path, name, trial, figures):
    command = [sys.executable, "-c", _RECORDS_FOR_EVER, str(tmp_path / name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as recorder:
        for line in recorder.stdout:
            if (told := int(line)) >= 500 + 130 * trial:
                recorder.send_signal(signal.SIGKILL)
                break
        told = max([told, *map(int, recorder.stdout)])
    with open_bag(tmp_path / name) as bag:
        found = [(message.stamp_ns, message.data[4:12]) for message in bag.messages()]
        cut = [warning for warning in bag.warnings if "expected a complete MCAP" in warning]
    figures.count("kills", 1)
    figures.count("recorders killed", 1)
    assert len(found) >= told
    assert found == [(i, i.to_bytes(8, "little")) for i in range(len(found))]
    assert len(cut) == 1
    assert f"its {len(found)} complete messages are read" in cut[0]


@pytest.mark.parametrize("cut", range(0, 400, 40))
def test_cut_within_its_last_chunk_a_recording_is_read_up_to_the_one_before(tmp_path, cut):
    path, now_s = tmp_path / "a.mcap", iter(range(1000))
    bag = GrowingBag(path, NO_LIMITS, now_s=lambda: next(now_s))
    for index in range(4):
        write(bag, [index], 1000)
        bag.close_chunk_in_time()
    whole = path.read_bytes()  # of a process that still runs
    (tmp_path / "cut.mcap").write_bytes(whole[: len(whole) - cut])
    found, warnings = stamps(tmp_path / "cut.mcap")
    assert found == ([0, 1, 2] if cut else [0, 1, 2, 3])
    assert len(warnings) == 1
    bag.close()


@pytest.mark.parametrize("name", ["run.mcap", "run"])
def test_a_finished_recording_has_checksums_and_is_read_by_other_libraries(tmp_path, name):
    with closing(GrowingBag(tmp_path / name, NO_LIMITS)) as bag:
        write(bag, range(100))
        bag.write("/tf_static", "tf2_msgs/msg/TFMessage", 100, b"\0\1\0\0\0\0\0\0")
    assert bag.counts == {"/t": 100, "/tf_static": 1}
    file = tmp_path / name / "run_0.mcap" if name == "run" else tmp_path / name
    with file.open("rb") as handle:
        reader = make_reader(handle, validate_crcs=True)
        assert sum(1 for _ in reader.iter_messages()) == 101
        assert reader.get_summary().statistics.chunk_count == 2  # 2 MB
    with AnyReader([tmp_path / name]) as reader:
        assert [raw for _, _, raw in reader.messages()][:100] == [noise(index) for index in range(100)]
        latched = [c for c in reader.connections if c.topic == "/tf_static"]
        assert latched[0].ext.offered_qos_profiles[0].durability.name == "TRANSIENT_LOCAL"
    assert file.stat().st_mode & 0o777 == 0o666 & ~_umask()


@pytest.mark.parametrize("trial", range(TRIALS))
def test_on_a_full_disk_everything_before_is_read_and_the_loss_told(tmp_path, trial, figures):
    bag, size = GrowingBag(tmp_path / "a.mcap", NO_LIMITS), 2_500_000 + 123_457 * trial
    with no_file_beyond(size), pytest.raises(BadRequest, match=r"a\.mcap: can no longer be written.*too large") as told:
        write(bag, range(1000))
    bag.close()
    found, warnings = stamps(tmp_path / "a.mcap")
    kept = len(found)
    figures.count("disks filled", 1)
    assert found == list(range(kept))
    assert size - (tmp_path / "a.mcap").stat().st_size < 1_070_000  # no room for another chunk of 1 MiB
    assert warnings == []
    assert f"{kept} messages are recorded, the last 53 are lost" in str(told.value)
    with (tmp_path / "a.mcap").open("rb") as handle:
        assert sum(1 for _ in make_reader(handle, validate_crcs=True).iter_messages()) == kept
    with pytest.raises(BadRequest, match="found a closed one"):
        write(bag, [1])


@pytest.mark.parametrize("room", range(0, 2000, 250))
def test_a_disk_that_is_full_when_the_recording_ends_costs_no_closed_chunk(tmp_path, room):
    now_s = iter(range(1000))
    bag = GrowingBag(tmp_path / "run", NO_LIMITS, now_s=lambda: next(now_s))
    write(bag, range(10), 500)
    bag.close_chunk_in_time()
    write(bag, range(10, 12), 500)
    path = tmp_path / "run" / "run_0.mcap"
    with no_file_beyond(path.stat().st_size + room), pytest.raises(BadRequest, match="can no longer be written"):
        bag.close()
    found, _ = stamps(path)
    assert found in (list(range(10)), list(range(12)))


def test_where_too_little_is_free_none_is_begun_and_one_that_runs_is_told(tmp_path):
    free = [1000]
    limits = Limits(free_bytes=999)
    bag = GrowingBag(tmp_path / "a.mcap", limits, free_bytes=lambda _: free[0])
    assert bag.has_room()
    free[0] = 999
    assert not bag.has_room()
    bag.close()
    for name in ("b.mcap", "b"):
        with pytest.raises(BadRequest, match="expected more than 0 MB free on the disk"):
            GrowingBag(tmp_path / name, limits, free_bytes=lambda _: free[0])
    assert [path.name for path in tmp_path.iterdir()] == ["a.mcap"]


@pytest.mark.parametrize("name", ["run.mcap", "run"])
def test_by_size_and_by_time_a_new_file_begins(tmp_path, name):
    now_s = 0.0
    bag = GrowingBag(tmp_path / name, Limits(file_bytes=1_000_000, file_s=10.0), now_s=lambda: now_s)
    folder = tmp_path / "run" if name == "run" else tmp_path
    assert bag.told_files == f"{folder / 'run_0.mcap'}"
    write(bag, range(100))  # 2 MB: a chunk in each file
    now_s = 11.0
    write(bag, [100])
    bag.close()
    assert bag.told_files == f"{folder / 'run_0.mcap'} to run_2.mcap"
    parts = [stamps(folder / f"run_{number}.mcap")[0] for number in range(3)]
    assert parts == [list(range(53)), list(range(53, 100)), [100]]
    found, warnings = stamps(folder)
    assert found == list(range(101))
    if name == "run":
        assert warnings == []
        told = yaml.safe_load((folder / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
        assert told["relative_file_paths"] == [f"run_{number}.mcap" for number in range(3)]
        assert [file["message_count"] for file in told["files"]] == [53, 47, 1]
        assert (told["message_count"], told["duration"]) == (101, {"nanoseconds": 100})
        with AnyReader([folder]) as reader:
            assert sum(1 for _ in reader.messages()) == 101


def test_what_is_there_already_is_never_touched(tmp_path):
    (tmp_path / "a.mcap").write_bytes(b"old")
    (tmp_path / "b_1.mcap").write_bytes(b"old")
    (tmp_path / "c").mkdir()
    for name, limits in (("a.mcap", NO_LIMITS), ("b.mcap", Limits(file_s=1.0)), ("c", NO_LIMITS)):
        with pytest.raises(BadRequest, match="expected a new path, found an older file or folder"):
            GrowingBag(tmp_path / name, limits)
    assert (tmp_path / "a.mcap").read_bytes() == (tmp_path / "b_1.mcap").read_bytes() == b"old"
    assert list((tmp_path / "c").iterdir()) == []


def test_what_cannot_be_recorded_safely_is_refused(tmp_path):
    with pytest.raises(BadRequest, match=r"a\.db3: expected name\.mcap or a new folder.*Record to \.mcap"):
        GrowingBag(tmp_path / "a.db3", NO_LIMITS)
    (tmp_path / "file").write_text("")
    for name in ("file/a.mcap", "file/a"):
        with pytest.raises(BadRequest, match=f"{name}: expected a writable place"):
            GrowingBag(tmp_path / name, NO_LIMITS)
    with (
        closing(GrowingBag(tmp_path / "a.mcap", NO_LIMITS)) as bag,
        pytest.raises(BadRequest, match="expected a message recorded at 0 to"),
    ):
        write(bag, [1 << 63], 1)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
