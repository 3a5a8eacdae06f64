"""Whatever is asked wrongly: exactly one clear line, exit code 2, nothing written."""

from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.cli import main
from tests.recordings import recording
from tests.written.labelled_bags import labelled, write_labelled_bag

CLOUD = "sensor_msgs/msg/PointCloud2"


def _write_clouds(path: Path, topics: tuple[str, ...], class_id: int = 3) -> None:
    xyz_m = np.random.default_rng(0).uniform(-5, 5, (20, 3)).astype(np.float32)
    cloud = PointCloud(xyz_m, np.zeros(20, np.float32), 1_000_000_000, "lidar")
    with BagWriter(path) as bag:
        for topic in topics:
            bag.write(topic, CLOUD, 1_000_000_000, labelled(cloud, class_id))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_package: Path) -> Path:
    """A folder with bags, clouds and packages, most of them wrong."""
    folder = tmp_path_factory.mktemp("place")
    _write_clouds(folder / "one.mcap", ("/points",))
    _write_clouds(folder / "two.mcap", ("/front", "/rear"))
    _write_clouds(folder / "strange_labels.mcap", ("/points",), class_id=99)
    with BagWriter(folder / "raw.mcap") as bag:
        bag.write("/text", "std_msgs/msg/String", 1, b"\x00\x01\x00\x00\x03\x00\x00\x00hi\x00")
    (folder / "empty.mcap").touch()
    (folder / "text.mcap").write_text("no bag at all")
    (folder / "cut.mcap").write_bytes((folder / "one.mcap").read_bytes()[:40])
    (folder / "empty_folder").mkdir()
    np.zeros((10, 4), np.float32).tofile(folder / "even.bin")
    points = np.random.default_rng(0).uniform([-9, -9, -2, 0], [9, 9, -1, 1], (200, 4))
    points.astype(np.float32).tofile(folder / "cloud.bin")
    (folder / "odd.bin").write_bytes(b"123")
    (folder / "cloud.las").write_bytes(b"LASF")
    (folder / "cloud.pcd").write_text("VERSION 7\nnonsense\n")
    altered = folder / "altered"
    altered.mkdir()
    for file in tiny_package.iterdir():
        (altered / file.name).write_bytes(file.read_bytes())
    content = bytearray((altered / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (altered / "model.onnx").write_bytes(bytes(content))
    (folder / "tiny").symlink_to(tiny_package)
    (folder / "taken").mkdir()
    (folder / "taken" / "notes.txt").write_text("mine")
    return folder


REPLAY = "replay {} --model tiny --out out"
CASES = {
    "inspect: no such file": ("inspect nowhere.mcap", "nowhere.mcap: expected a recording"),
    "inspect: empty file": ("inspect empty.mcap", "empty.mcap"),
    "inspect: another file": ("inspect text.mcap", "text.mcap"),
    "inspect: cloud file": ("inspect cloud.bin", "cloud.bin"),
    "inspect: folder without a bag": ("inspect empty_folder", "expected .mcap, .db3 or .bag files"),
    "replay: no such bag": (REPLAY.format("nowhere.mcap"), "nowhere.mcap: expected a recording"),
    "replay: no cloud topic": (
        REPLAY.format("raw.mcap"),
        "expected a topic of sensor_msgs/msg/PointCloud2, found /text",
    ),
    "replay: two cloud topics": (REPLAY.format("two.mcap"), "/front, /rear"),
    "replay: unknown topic": (REPLAY.format("one.mcap") + " --cloud-topic /nothing", "topic /nothing"),
    "replay: topic of another type": (REPLAY.format("raw.mcap") + " --cloud-topic /text", "std_msgs/msg/String"),
    "replay: no such label field": (
        REPLAY.format("one.mcap") + " --label-field truth --label-table nuscenes16",
        "expected a label field 'truth', found the fields x, y, z, intensity, class_id, probability",
    ),
    "replay: unknown label table": (
        REPLAY.format("one.mcap") + " --label-field class_id --label-table cityscapes",
        "'cityscapes'",
    ),
    "replay: field without table": (REPLAY.format("one.mcap") + " --label-field class_id", "--label-table"),
    "replay: table without field": (REPLAY.format("one.mcap") + " --label-table nuscenes16", "--label-field"),
    "replay: labels of another table": (
        REPLAY.format("strange_labels.mcap") + " --label-field class_id --label-table nuscenes16",
        "cloud 0, field class_id: expected label ids of nuscenes16, found [99]",
    ),
    "replay: field that is no label": (
        REPLAY.format("one.mcap") + " --label-field x --label-table nuscenes16",
        "field x: expected whole numbers",
    ),
    "replay: unknown model": ("replay one.mcap --model nothing --out out", "model 'nothing'"),
    "replay: model file instead of folder": ("replay one.mcap --model tiny/model.onnx --out out", "found a file"),
    "replay: altered model": ("replay one.mcap --model altered --out out", "altered/model.onnx: expected sha256"),
    "replay: unknown engine": (REPLAY.format("one.mcap") + " --engine cuda", "engine: expected one of auto, fused"),
    "replay: engine that is not here": (REPLAY.format("one.mcap") + " --engine tensorrt", "engine tensorrt"),
    "replay: folder with other files": ("replay one.mcap --model tiny --out taken", "found notes.txt"),
    "replay: out is a file": ("replay one.mcap --model tiny --out cloud.bin", "found a file"),
    "replay: out below a file": ("replay one.mcap --model tiny --out cloud.bin/out", "cloud.bin/out"),
    "segment: no such cloud": (
        "segment nowhere.bin --model tiny --out out.npz",
        "nowhere.bin: expected a readable file",
    ),
    "segment: unknown suffix": ("segment cloud.las --model tiny --out out.npz", "cloud.las: expected a name ending in"),
    "segment: cut file": ("segment odd.bin --model tiny --out out.npz", "odd.bin"),
    "segment: columns that nobody knows": (
        "segment even.bin --model tiny --out out.npz",
        "even.bin: expected numbers that",
    ),
    "segment: columns that do not fit": (
        "segment cloud.bin --model tiny --out out.npz --columns x,y,z",
        "expected points of 12 bytes (x,y,z), found 3200 bytes",
    ),
    "segment: columns without a place": (
        "segment cloud.bin --model tiny --out out.npz --columns x,y,intensity",
        "columns x,y,intensity: expected different names, x, y and z among them",
    ),
    "segment: full scale that is none": (
        "segment cloud.bin --model tiny --out out.npz --intensity-max 0",
        "intensity_max: expected a positive number, found 0.0",
    ),
    "segment: damaged header": ("segment cloud.pcd --model tiny --out out.npz", "cloud.pcd"),
    "segment: unknown output": ("segment cloud.bin --model tiny --out out.las", "out.las"),
    "segment: picture that is none": (
        "segment cloud.bin --model tiny --out out.npz --image out.jpg",
        "out.jpg: expected a name ending in .png",
    ),
    "segment: output over its input": ("segment cloud.bin --model tiny --out ./cloud.bin", "found the input cloud"),
    "segment: picture where none can be": (
        "segment cloud.bin --model tiny --out out.npz --image cloud.bin/view.png",
        "--image cloud.bin/view.png: expected a folder at",
    ),
    "segment: labels where none can be": (
        "segment cloud.bin --model tiny --out cloud.bin/out.npz --image view.png",
        "--out cloud.bin/out.npz: expected a folder at",
    ),
    "segment: no such model": ("segment cloud.bin --model nothing --out out.npz", "model 'nothing'"),
}


@pytest.mark.parametrize(("command", "expected"), CASES.values(), ids=CASES.keys())
def test_bad_input_gives_one_line_exit_code_2_and_no_file(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, expected: str
) -> None:
    monkeypatch.chdir(place)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    code = main(command.split())
    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    assert said.err.startswith("lidar-vl: ")
    assert said.err.count("\n") == 1
    assert expected in said.err
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*") if path != place} == before


def test_a_bag_of_raw_packets_is_refused_with_what_to_do(
    test_data: Path, tiny_package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = recording(test_data, "bags/*_vlp16/*/metadata.yaml").parent
    code = main(["replay", str(bag), "--model", str(tiny_package), "--out", str(tmp_path / "out")])
    assert code == 2
    assert "velodyne_msgs/msg/VelodyneScan" in (said := capsys.readouterr().err)
    assert "driver" in said
    assert list(tmp_path.iterdir()) == []


def test_a_cut_bag_is_replayed_as_far_as_it_goes_with_a_warning(
    tiny_package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "whole.mcap"
    rng = np.random.default_rng(0)
    xyz_m = rng.uniform(-5, 5, (300, 200, 3)).astype(np.float32)
    seen = (PointCloud(each, np.zeros(200, np.float32), 1_000_000_000 + k, "lidar") for k, each in enumerate(xyz_m))
    write_labelled_bag(whole, seen, [0] * 300)
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert main(["replay", str(cut), "--model", str(tiny_package), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "warning: " in said.out
    assert "cut.mcap" in said.out
