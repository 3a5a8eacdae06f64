"""One process writes a run; a second is told who does, and the lock of a killed one is free."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lidar_vl_core.foundation.errors import BadRequest
from offline_training.cli import training
from offline_training.cli.main import main
from offline_training.runs.sharing import only_writer as only_writer_module
from offline_training.runs.sharing.only_writer import only_writer
from tests.training.finetuning.rooms import settings

_HOLDER = """
import sys, time
from pathlib import Path
from offline_training.runs.sharing.only_writer import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_told_who_holds_the_run_until_that_one_is_killed(tmp_path, capsys, monkeypatch):
    checkpoints = tmp_path / "run" / "checkpoints"
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(checkpoints)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    monkeypatch.setattr(training, "require_for_finetuning", lambda _config: None)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings(tmp_path / "run")))
    assert main(["finetune", "--config", str(tmp_path / "run.yaml")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"process {holder.pid} on '{socket.gethostname()}' since 20" in told
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with only_writer(checkpoints):
        assert str(os.getpid()) in (checkpoints / ".lock").read_text()


def test_two_writers_in_one_process_are_two(tmp_path):
    with (
        only_writer(tmp_path / "checkpoints"),
        pytest.raises(BadRequest, match=re.escape(f"process {os.getpid()} on")),
        only_writer(tmp_path / "checkpoints"),
    ):
        pass


def test_a_run_that_wrote_nothing_leaves_nothing_and_what_was_there_stays(tmp_path):
    with only_writer(tmp_path / "run" / "checkpoints"):
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "run").mkdir()
    with only_writer(tmp_path / "run" / "checkpoints"):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "run"]


@pytest.mark.parametrize("content", ["", "half {", "[]", '{"pid": "x", "host": 1, "since": 2}'])
def test_a_lock_that_says_nothing_is_told_all_the_same(tmp_path, content):
    with only_writer(tmp_path):
        (tmp_path / ".lock").write_text(content)
        with pytest.raises(BadRequest, match="a process that has just started at work"), only_writer(tmp_path):
            pass


def test_the_lock_that_a_killed_writer_left_is_taken_over(tmp_path):
    (tmp_path / ".lock").write_text("old")
    with only_writer(tmp_path):
        assert "old" not in (tmp_path / ".lock").read_text()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BadRequest, match="expected a writable folder"),
        only_writer(tmp_path / "file" / "run"),
    ):
        pass


def test_a_place_where_no_folder_is_ever_made_ends_with_an_error(tmp_path, monkeypatch):
    def as_in_proc(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(only_writer_module, "_PAUSE_S", 0.0)
    monkeypatch.setattr(Path, "mkdir", as_in_proc)
    with (
        pytest.raises(BadRequest, match=r"run/checkpoints: expected a folder that can be made.* Choose another `out`"),
        only_writer(tmp_path / "run" / "checkpoints"),
    ):
        pass


def test_a_full_disk_is_told_and_nothing_is_left_behind(tmp_path, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with (
        pytest.raises(BadRequest, match=r"run/checkpoints: expected room for a run, found: No space left on device"),
        only_writer(tmp_path / "run" / "checkpoints"),
    ):
        pass
    assert not (tmp_path / "run").exists()
