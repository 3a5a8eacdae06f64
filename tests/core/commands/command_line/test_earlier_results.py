"""Earlier results stay unless they may be replaced, and a place that cannot be is told before any work."""

import json
import os
from pathlib import Path

import pytest

from lidar_vl_core.commands.cli import main


@pytest.mark.parametrize("command", ["replay", "segment", "segment --image", "query"])
def test_earlier_results_stay_unless_they_may_be_replaced(
    street: Path,
    cloud_file: Path,
    tiny_package: Path,
    tmp_path: Path,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, _, also = command.partition(" ")
    arguments = {"replay": [street], "segment": [cloud_file], "query": [cloud_file, "a door"]}[kind]
    out = tmp_path / {"replay": "out", "segment": "labelled.npz", "query": "where.png"}[kind]
    places = ["--out", out] if not also else ["--out", tmp_path / "new.npz", also, tmp_path / "seen.png"]
    kept = out / "metrics.json" if kind == "replay" else places[-1]
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("of an earlier run")
    os.utime(kept, (1_700_000_000, 1_700_000_000))
    line = [kind, *map(str, arguments), "--model", str(tiny_package), *map(str, places)]
    monkeypatch.setattr(
        "lidar_vl_core.tasks.segmenter.Segmenter.__init__", None
    )  # nothing is computed before it is told
    assert main(line) == 2
    said = capsys.readouterr()
    assert "holds results of 2023-11-1" in said.err
    assert "Give --overwrite to replace them, or another " + (also or "--out") in said.err
    assert len(said.err.splitlines()) == 1
    assert kept.read_text() == "of an earlier run"


@pytest.mark.parametrize(
    ("places", "told"),
    [
        (["--out", "seen.jpg"], "expected a name ending in .npz, .pcd, .ply, .label, found .jpg"),
        (["--out", "a_file/labelled.pcd"], "found a file. Choose another place"),
        (["--out", "labelled.pcd", "--image", "a_file/seen.png"], "--image a_file/seen.png: expected a folder"),
        (["--out", "locked/labelled.pcd"], "found no permission. Choose another place"),
        (["--out", "locked/results/today/labelled.pcd"], "locked, found no permission. Choose another place"),
    ],
)
def test_a_result_that_has_no_place_is_told_before_anything_is_computed(
    cloud_file: Path,
    tiny_package: Path,
    tmp_path: Path,
    places: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").write_text("no folder")
    (tmp_path / "locked").mkdir()
    stat = Path.stat

    def refused_below_locked(path: Path, **options: bool) -> os.stat_result:
        if "locked" in path.parent.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refused_below_locked)  # root may look and write everywhere
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).name != "locked")
    monkeypatch.setattr("lidar_vl_core.tasks.segmenter.Segmenter.__init__", None)
    assert main(["segment", str(cloud_file), "--model", str(tiny_package), *places]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.splitlines()) == 1


def test_overwrite_replaces_an_earlier_replay_but_never_somebodys_files(
    street: Path, tiny_package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = ["replay", str(street), "--model", str(tiny_package), "--out", str(out)]
    assert main(line) == 0
    (out / "metrics.json").write_text("{}")
    assert main([*line, "--overwrite"]) == 0
    assert json.loads((out / "metrics.json").read_text())["frames"] == 4
    (out / "notes.txt").write_text("mine")
    assert main([*line, "--overwrite"]) == 2
    assert "found notes.txt" in capsys.readouterr().err
