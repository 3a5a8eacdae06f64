"""Result folders: the old one or the new one stands at every moment, and what killed makers left goes, but nobody else's."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import atomic_writer, remove_stray_temporaries
from lidar_vl_core.foundation.processes import staged_folder as staged_folder_module
from lidar_vl_core.foundation.processes.staged_folder import clear_staged, exchanged, staged_folder
from lidar_vl_core.foundation.result_folder import result_folder

_AT_WORK = """
import sys, time
from pathlib import Path
from lidar_vl_core.foundation.files import atomic_writer
from lidar_vl_core.foundation.processes.staged_folder import staged_folder
with staged_folder(Path(sys.argv[1]) / "out") as staged, atomic_writer(Path(sys.argv[1]) / "file") as file:
    (staged / "half").write_text("half")
    print("at work", flush=True)
    time.sleep(60)
"""


def filled(folder: Path, content: str) -> Path:
    folder.mkdir()
    (folder / "a").write_text(content)
    return folder


def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_folder_module, "exchanged", lambda *_: False)


def test_two_folders_change_places(tmp_path):
    one, other = filled(tmp_path / "one", "1"), filled(tmp_path / "other", "2")
    if not exchanged(one, other):
        pytest.fail("expected a file system that exchanges folders, as Linux has them")
    assert ((one / "a").read_text(), (other / "a").read_text()) == ("2", "1")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        exchanged(one, tmp_path / "nowhere")


def test_whoever_looks_while_a_result_is_replaced_always_finds_one(tmp_path):
    out, seen, is_over = filled(tmp_path / "out", "0"), [], threading.Event()

    def look() -> None:
        while not is_over.is_set():
            seen.append(out.is_dir())

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(200):
        with result_folder(out, {"a"}, overwrite=True) as staged:
            (staged / "a").write_text(str(number))
    is_over.set()
    watcher.join()
    assert len(seen) > 200
    assert all(seen)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (out / "a").read_text() == "199"


def test_without_an_exchange_the_new_replaces_the_old_as_well(tmp_path, monkeypatch):
    no_exchange(monkeypatch)
    out = filled(tmp_path / "out", "old")
    with staged_folder(out) as staged:
        (staged / "a").write_text("new")
    assert (out / "a").read_text() == "new"
    assert list(tmp_path.iterdir()) == [out]


def test_without_an_exchange_the_old_is_back_when_the_new_cannot_take_its_place(tmp_path, monkeypatch):
    no_exchange(monkeypatch)
    out = filled(tmp_path / "out", "old")
    with pytest.raises(FileNotFoundError), staged_folder(out) as staged:
        shutil.rmtree(staged)
    assert (out / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_the_old_result_of_a_process_killed_in_the_moment_without_comes_back(tmp_path):
    (tmp_path / ".out.abcdefgh.staged").mkdir()
    filled(tmp_path / ".out.abcdefgh.staged" / "old", "old")
    clear_staged(tmp_path / "out")
    assert (tmp_path / "out" / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_somebody_else_wrote_meanwhile_is_not_replaced(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(BadRequest, match="holds results"), result_folder(out, {"a"}):
        filled(out, "theirs")
    assert (out / "a").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [out]


def test_temporaries_of_a_process_at_work_stay_however_old_and_go_when_it_is_killed(tmp_path):
    worker = subprocess.Popen([sys.executable, "-c", _AT_WORK, str(tmp_path)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    worker.stdout.readline()
    temporaries = sorted(tmp_path.iterdir())
    assert len(temporaries) == 2
    for path in temporaries:
        os.utime(path, (0, 0))
    clear_staged(tmp_path / "out")
    assert remove_stray_temporaries(tmp_path) == 0
    assert sorted(tmp_path.iterdir()) == temporaries
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    clear_staged(tmp_path / "out")
    assert remove_stray_temporaries(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_that_is_swept_away_before_it_is_held_is_made_anew(tmp_path, monkeypatch):
    right = staged_folder_module.take_new

    def swept(path: Path, descriptor: int) -> bool:
        monkeypatch.setattr(staged_folder_module, "take_new", right)
        path.rmdir()
        return right(path, descriptor)

    monkeypatch.setattr(staged_folder_module, "take_new", swept)
    with staged_folder(tmp_path / "out") as staged:
        (staged / "a").write_text("1")
    assert (tmp_path / "out" / "a").read_text() == "1"


def test_links_and_neighbours_with_longer_names_are_no_strays(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / ".out.abcdefgh.staged").symlink_to(tmp_path / "kept")
    (tmp_path / ".out.part.abcdefgh.staged").mkdir()
    clear_staged(tmp_path / "out")
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_being_written_is_not_taken_for_a_stray(tmp_path):
    with atomic_writer(tmp_path / "a") as file:
        file.write(b"1")
        assert remove_stray_temporaries(tmp_path) == 0
    assert (tmp_path / "a").read_bytes() == b"1"
