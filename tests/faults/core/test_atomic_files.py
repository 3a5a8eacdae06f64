"""A file is either the old one or the new one, whatever happens to the writer."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import atomic_writer, remove_stray_temporaries, sha256_of, write_bytes, write_text
from tests.faults.harness.amount import amount
from tests.faults.harness.figures import Figures

_ENDLESS_WRITER = """
import sys
from pathlib import Path
from lidar_vl_core.foundation.files import write_bytes
generation = 0
while True:
    generation = (generation + 1) % 256
    write_bytes(Path(sys.argv[1]), bytes([generation]) * 4_000_000)
    print(generation, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path, figures: Figures) -> None:
    target, kills = tmp_path / "weights.bin", amount(quick=8, long=60)
    for attempt in range(kills):
        writer = subprocess.Popen([sys.executable, "-c", _ENDLESS_WRITER, str(target)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.003 * (attempt % 20))
        writer.kill()
        writer.wait()
        content = target.read_bytes()
        assert len(content) == 4_000_000
        assert content == content[:1] * len(content)
    figures.count("kills", kills)
    remove_stray_temporaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.bin"]


def test_an_exception_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")

    def fail_while_writing() -> None:
        with atomic_writer(target) as handle:
            handle.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_while_writing()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_is_no_folder_or_is_one_is_told_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadRequest, match="file"):
        write_bytes(tmp_path / "file" / "below", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadRequest, match="folder"):
        write_bytes(tmp_path / "folder", b"x")


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
