"""Where results may stand, and what is printed: wrong places are told before any work, and every name can be printed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.cli import main
from tests.written.labelled_bags import write_labelled_bag

LONG = "long" * 100  # longer than any file system takes


def _write_bag(path: Path, points: int = 5) -> None:
    cloud = PointCloud(np.ones((points, 3), np.float32), np.ones(points, np.float32), 10**9, "lidar")
    write_labelled_bag(path, [cloud], [0])


@pytest.fixture
def here(tmp_path: Path, tiny_package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a recording in a folder of its own, a cloud, a package, an empty folder."""
    (tmp_path / "earlier").mkdir()
    _write_bag(tmp_path / "earlier" / "predictions.mcap")
    np.ones((20, 4), np.float32).tofile(tmp_path / "cloud.bin")
    (tmp_path / "loop.bin").symlink_to("loop.bin")
    (tmp_path / "tiny").symlink_to(tiny_package)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _refused(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    before = sorted((path, path.lstat().st_mtime_ns) for path in Path().absolute().rglob("*"))
    code = main(command.split())
    told = capsys.readouterr()
    assert (code, told.out, told.err.count("\n")) == (2, "", 1)
    assert sorted((path, path.lstat().st_mtime_ns) for path in Path().absolute().rglob("*")) == before
    return told.err


REPLAY = "replay {bag} --model tiny --out {out} --overwrite"


@pytest.mark.parametrize("out", [".", "../empty", "./../../{name}/empty"])
def test_results_do_not_take_the_place_of_the_current_folder(here, monkeypatch, capsys, out) -> None:
    monkeypatch.chdir(here / "empty")
    out = out.format(name=here.name)
    told = _refused(f"replay ../earlier/predictions.mcap --model ../tiny --out {out}", capsys)
    assert "found the current folder, one above it or a mounted one" in told


def test_results_do_not_take_the_place_of_a_mounted_folder(here, monkeypatch, capsys) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "empty")
    told = _refused(REPLAY.format(bag="earlier/predictions.mcap", out="empty"), capsys)
    assert "or a mounted one. Name a new folder in it, such as empty/results." in told


@pytest.mark.parametrize(
    "command",
    [REPLAY, "compare tiny tiny {bag} --out {out} --overwrite", "calibration-check {bag} --out {out} --overwrite"],
)
@pytest.mark.parametrize("out", ["earlier", "earlier/../earlier", "empty/../../{name}"])
def test_the_recording_that_is_read_is_never_replaced(here, capsys, command, out) -> None:
    told = _refused(command.format(bag="earlier/predictions.mcap", out=out.format(name=here.name)), capsys)
    assert "found earlier/predictions.mcap, which is read, in it" in told


@pytest.mark.parametrize(
    "command",
    [
        "segment cloud.bin --model tiny --out {}.npz --overwrite",
        "segment cloud.bin --model tiny --out o.npz --image {}.png --overwrite",
        "detect cloud.bin --model tiny --out {}.json --overwrite",
        "query cloud.bin car --model tiny --out {}.png --overwrite",
        "doctor --out {}.md --overwrite",
    ],
)
def test_a_file_is_not_written_where_none_can_be(here, capsys, command) -> None:
    for suffix in ("npz", "png", "json", "md"):
        (here / f"empty.{suffix}").mkdir()
    assert "expected the name of a file, found a folder" in _refused(command.format("empty"), capsys)
    if command.startswith("segment") and "{}.npz" in command:
        assert "expected the name of a file, found a folder" in _refused(command.replace("{}.npz", "/"), capsys)
    assert "expected a place for a file, found: File name too long" in _refused(command.format(LONG), capsys)
    assert "expected a place for a file, found: File name too long" in _refused(command.format(f"{LONG}/a"), capsys)


@pytest.mark.parametrize("cloud", [LONG, f"{LONG}.bin", "loop.bin"])
def test_an_input_whose_name_leads_nowhere_is_told(here, capsys, cloud) -> None:
    assert cloud[:20] in _refused(f"segment {cloud} --model tiny --out o.npz", capsys)
    assert cloud[:20] in _refused(f"inspect {cloud}", capsys)
    assert cloud[:20] in _refused(f"replay earlier --model {cloud} --out o", capsys)


@pytest.mark.parametrize(
    "command", [["inspect", ""], ["replay", "earlier", "--model", "tiny", "--out", ""], ["doctor", "--cache", ""]]
)
def test_an_empty_path_is_not_taken_for_the_current_folder(here, capsys, command) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert "expected a path, found nothing. Is a variable empty?" in capsys.readouterr().err


def test_a_package_may_be_the_current_folder_but_nothing_is_none(here, tiny_package, monkeypatch, capsys) -> None:
    command = ["replay", str(here / "earlier"), "--out", str(here / "o"), "--model"]
    assert main([*command, ""]) == 2
    assert "model '': expected a folder or one of the packaged models" in capsys.readouterr().err
    monkeypatch.chdir(tiny_package)
    assert main([*command, "."]) == 0
    assert "model tiny" in capsys.readouterr().out


def _lidar_vl(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lidar_vl_core.commands.cli", *arguments]
    return subprocess.run(command, text=True, timeout=120, check=False, **{"capture_output": True, **options})


def test_a_recording_whose_name_is_no_utf8_is_replayed_and_told(here) -> None:
    bag = os.fsencode(here) + b"/caf\xe9.mcap"
    os.rename(here / "earlier" / "predictions.mcap", bag)
    done = _lidar_vl("replay", bag, "--model", "tiny", "--out", b"r\xe9sultat")
    assert (done.returncode, done.stderr) == (0, "")
    assert "report: r\\udce9sultat/report.html" in done.stdout
    assert "Replay of caf\\udce9.mcap" in (here / os.fsdecode(b"r\xe9sultat") / "report.html").read_text()


def test_names_that_the_terminal_cannot_show_are_escaped(here) -> None:
    _write_bag(here / "strasse.mcap")
    (here / "strasse.mcap").rename(here / "straße.mcap")
    done = _lidar_vl("inspect", "straße.mcap", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("stra\\xdfe.mcap: ")


def test_an_answer_that_cannot_be_printed_is_told_in_one_line(here) -> None:
    with open("/dev/full", "w") as full:
        done = _lidar_vl("inspect", "earlier", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


def test_without_a_standard_output_the_work_is_done_all_the_same(here) -> None:
    command = f"{sys.executable} -m lidar_vl_core.commands.cli inspect earlier >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_comparison_names_the_files_that_it_wrote(here, capsys) -> None:
    _write_bag(here / "no_points.mcap", points=0)
    assert main(["compare", "tiny", "tiny", "no_points.mcap", "--out", "o"]) == 0
    assert "results: o/comparison.json\n" in capsys.readouterr().out
    assert main(["compare", "tiny", "tiny", "earlier", "--out", "p"]) == 0
    assert "results: p/comparison.json, p/most_different.png\n" in capsys.readouterr().out


def test_a_tilde_that_no_shell_replaces_is_the_home_folder_and_makes_no_folder_of_that_name(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = here / "home"
    home.mkdir()
    (home / "pkg").symlink_to(here / "tiny")
    monkeypatch.setenv("HOME", str(home))
    np.savez(home / "cloud.npz", xyz=np.ones((20, 3)))
    assert main(["segment", "~/cloud.npz", "--model=~/pkg", "--out=~/labelled.npz"]) == 0
    assert (home / "labelled.npz").exists()
    assert not (here / "~").exists()
