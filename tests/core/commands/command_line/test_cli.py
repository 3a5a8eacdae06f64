"""The command `lidar-vl` as a user runs it: in a process of its own."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from lidar_vl_core.commands.cli import main

REPOSITORY = Path(__file__).resolve().parents[4]
HEAVY = ("numpy", "numba", "onnx", "onnxruntime", "rosbags", "mcap", "matplotlib", "PIL", "scipy", "pydantic", "tqdm")


def lidar_vl(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lidar_vl_core.commands.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def test_help_imports_nothing_heavy_and_is_quick() -> None:
    code = (
        "import sys\nfrom lidar_vl_core.commands.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stderr.strip() == "[]"
    assert all(command in shown.stdout for command in ("inspect", "replay", "segment", "models"))
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert lidar_vl("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)  # processor time: other work on the machine is not counted
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("command", ["inspect", "replay", "segment", "models"])
def test_every_command_has_help(command: str) -> None:
    shown = lidar_vl(command, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"usage: lidar-vl {command}")


def test_version_is_that_of_the_package_and_the_commit_of_the_checkout_it_runs_from(tmp_path: Path) -> None:
    from lidar_vl_core import __version__

    told = lidar_vl("--version", cwd=tmp_path).stdout
    git = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    head = subprocess.run(git, capture_output=True, text=True, check=False)
    commit = f" (commit {head.stdout[:12]})" if head.returncode == 0 and (REPOSITORY / ".git").exists() else ""
    assert told == f"lidar-vl {__version__}{commit}\n"


def test_version_names_no_commit_of_somebody_elses_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lidar_vl_core.foundation import version

    site_packages = tmp_path / "venv" / "lib"
    site_packages.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(version, "_ROOT", site_packages)
    monkeypatch.setattr(version, "_commit_of_installation", lambda: None)
    assert version.software_commit() is None


def test_inspect_tells_people_and_programs_the_same(street: Path) -> None:
    text, found = lidar_vl("inspect", street), json.loads(lidar_vl("inspect", street, "--json").stdout)
    assert text.returncode == 0
    assert text.stderr == ""
    assert [(topic["name"], topic["count"], topic["rate_hz"]) for topic in found["topics"]] == [("/points", 4, 10.0)]
    layout = found["clouds"]["/points"]
    assert [field["name"] for field in layout["fields"]] == ["x", "y", "z", "intensity", "class_id", "probability"]
    assert layout["points"] == 300
    assert found["replay"] == "clouds of /points, without camera images"
    for word in ("/points", "10.0 Hz", "300 points", "class_id uint8", found["replay"]):
        assert word in text.stdout


def test_replay_writes_the_result_and_says_where(street: Path, tiny_package: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    run = lidar_vl(
        "replay", street, "--model", tiny_package, "--out", out, "--label-field", "class_id", "--label-table", "nuscenes16"
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""  # no progress bar where nobody watches
    assert "mean IoU" in run.stdout
    assert str(out / "report.html") in run.stdout
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["frames"] == 4
    assert metrics["provenance"]["command"].startswith("lidar-vl replay ")


@pytest.mark.parametrize("engine", ["fused", "onnxruntime"])
def test_replay_runs_the_asked_engine(
    street: Path, tiny_package: Path, tmp_path: Path, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert main(["replay", str(street), "--model", str(tiny_package), "--engine", engine, "--out", out]) == 0
    assert f"engine {engine}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "option"), [("labels.npz", "--image"), ("labels.pcd", "--image"), ("labels.label", "--picture")]
)  # fmt: skip
def test_segment_labels_one_cloud_and_draws_it_also_by_the_name_of_the_option_until_0_2(
    cloud_file: Path, tiny_package: Path, tmp_path: Path, name: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, out = tmp_path / "view.png", str(tmp_path / name)
    command = ["segment", str(cloud_file), "--model", str(tiny_package), "--out", out, option, str(picture)]
    assert main(command) == 0
    assert "500 points labelled" in capsys.readouterr().out
    assert (tmp_path / name).stat().st_size > 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_models_lists_what_is_packaged() -> None:
    from lidar_vl_core.model_packages.package import packaged_models

    run = lidar_vl("models")
    assert run.returncode == 0
    for name in packaged_models():
        assert f"{name}: " in run.stdout


def test_a_reader_that_goes_away_is_no_error_message(street: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "lidar_vl_core.commands.cli", "inspect", str(street)]
    run = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(write_end)
    assert run.returncode == 141
    assert run.stderr == ""
