"""The command `lidar-vl` as a user runs it: in a process of its own."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.clouds.labelled_message import labelled_message
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.cli import main
from lidar_vl_core.tasks.point_labels import PointLabels

REPOSITORY = Path(__file__).resolve().parents[3]
CLOUD = "sensor_msgs/msg/PointCloud2"
HEAVY = ("numpy", "numba", "onnx", "onnxruntime", "rosbags", "mcap", "matplotlib", "PIL", "scipy", "pydantic", "tqdm")


def lidar_vl(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lidar_vl_core.commands.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(5)
    path = tmp_path_factory.mktemp("bags") / "street.mcap"
    with BagWriter(path) as bag:
        for k in range(4):
            xyz_m = rng.uniform(-20, 20, (300, 3)).astype(np.float32)
            cloud = PointCloud(xyz_m, np.zeros(300, np.float32), 1_700_000_000_000_000_000 + k * 100_000_000, "lidar")
            truth = PointLabels(rng.integers(0, 16, 300).astype(np.uint8), np.zeros(300, np.float32), {})
            bag.write("/points", CLOUD, cloud.stamp_ns, labelled_message(cloud, truth))
    return path


@pytest.fixture(scope="module")
def cloud_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clouds") / "000000.bin"
    points = np.random.default_rng(6).uniform([-1, -1, -0.2, 0], [1, 1, -0.1, 0.1], (500, 4))  # a street in small
    points.astype(np.float32).tofile(path)
    return path


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


@pytest.mark.parametrize("command", ["replay", "segment", "segment --picture", "query"])
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
        (["--out", "labelled.pcd", "--picture", "a_file/seen.png"], "--picture a_file/seen.png: expected a folder"),
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


@pytest.mark.parametrize("name", ["labels.npz", "labels.pcd", "labels.label"])
def test_segment_labels_one_cloud_and_draws_it(
    cloud_file: Path, tiny_package: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, out = tmp_path / "view.png", str(tmp_path / name)
    command = ["segment", str(cloud_file), "--model", str(tiny_package), "--out", out, "--picture", str(picture)]
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


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs inherit that it is ignored


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_nothing_half_written(tiny_package: Path, tmp_path: Path) -> None:
    bag = tmp_path / "long.mcap"
    xyz_m = np.random.default_rng(1).uniform(-40, 40, (30_000, 3)).astype(np.float32)
    with BagWriter(bag) as writer:
        for k in range(120):
            cloud = PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 1 + k, "lidar")
            nothing = PointLabels(np.zeros(len(xyz_m), np.uint8), np.zeros(len(xyz_m), np.float32), {})
            writer.write("/points", CLOUD, k, labelled_message(cloud, nothing))
    command = [sys.executable, "-m", "lidar_vl_core.commands.cli", "replay", str(bag), "--model", str(tiny_package)]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out")], stderr=subprocess.PIPE, text=True, preexec_fn=_heed_ctrl_c
    )
    deadline_s = time.monotonic() + 60
    while not list(tmp_path.glob(".out.*/new/.predictions*")):  # at work
        assert time.monotonic() < deadline_s
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    # A shell shows 130 for both: Python ends itself by the signal where it met it inside exec(), as imports use it.
    assert process.returncode in (130, -signal.SIGINT)
    assert said == "lidar-vl: interrupted, nothing was written\n"
    assert [path.name for path in tmp_path.iterdir()] == ["long.mcap"]
