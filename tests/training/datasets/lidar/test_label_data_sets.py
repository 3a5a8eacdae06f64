"""The downstream data sets as samples, each from a folder in its own format, and their official splits."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.datasets.data_sources import data_set_spec, data_source, open_source
from offline_training.datasets.lidar.rellis3d import Rellis3d
from offline_training.datasets.lidar.scribble_kitti import ScribbleKitti
from offline_training.datasets.lidar.synlidar import SynLidarSource
from tests.recordings import recording
from tests.written.lidar_data_sets import CALIB, ring_of_points, write_kitti_like, write_rellis, write_scan


def _scribbles(folder: Path, raw: list[int]) -> None:
    for sequence, labels in (("00", "scribbles"), ("08", "labels")):
        root = write_kitti_like(folder / "sequences" / sequence, raw, labels=labels)
        (root / "calib.txt").write_text(CALIB)


# kind -> classes, how its folder is written from raw ids, raw ids, and the names they stand for (None = ignored).
KINDS: dict[str, tuple[ClassTable, Callable[[Path, list[int]], object], list[int], list[str | None]]] = {
    "scribble_kitti": (class_table("semantic_kitti19"), _scribbles, [0, 252, 70], [None, "car", "vegetation"]),
    "rellis3d": (
        class_table("rellis3d19"),
        lambda folder, raw: write_rellis(folder, raw, {"train": ["00001/000003", "00000/000007"], "val": ["00004/000001"]}),
        [0, 3, 34, 7],
        [None, "grass", "rubble", "sky"],
    ),
    "semantic_poss": (
        class_table("semantic_poss13"),
        lambda folder, raw: [write_kitti_like(folder / "sequences" / s, raw, full=255.0) for s in ("00", "02")],
        [0, 5, 12, 22],
        [None, "person", "traffic-sign", "ground"],
    ),
    "semantic_stf": (
        class_table("semantic_kitti19"),
        lambda folder, raw: [write_kitti_like(folder / s, raw, columns=5, full=255.0) for s in ("train", "val")],
        [20, 1, 19],
        [None, "car", "traffic-sign"],
    ),
    "synlidar": (
        class_table("synlidar32"),
        lambda folder, raw: [write_kitti_like(folder / s, raw) for s in ("00", "12")],
        [0, 2, 15, 32],
        [None, "pick-up", "crowd", "other-object"],
    ),
    "daps3d": (
        class_table("daps3d4"),
        lambda folder, raw: [write_kitti_like(folder / "data" / s, raw, points="clouds", full=255.0)
                             for s in data_set_spec("daps3d").official_split("val")],
        [0, 10, 72, 80],
        [None, "vehicle", "surface", "obstacle"],
    ),
}  # fmt: skip


def opened(kind: str, folder: Path, **changes: object) -> SampleSource:
    source = data_source({"kind": kind, "folder": str(folder), **changes}, "test")
    return open_source(source, KINDS[kind][0])


def written(kind: str, folder: Path) -> Path:
    KINDS[kind][1](folder, KINDS[kind][2])
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_scan_comes_with_its_points_its_intensity_and_its_classes(kind, tmp_path):
    table, _, raw, names = KINDS[kind]
    sample = opened(kind, written(kind, tmp_path))[0]
    expected = ring_of_points(len(raw))
    assert_allclose(sample.cloud.xyz_m, expected[:, :3])
    assert_allclose(sample.cloud.intensity, expected[:, 3], atol=1e-6)
    assert [None if k == 255 else table.names[k] for k in sample.class_id] == names


@pytest.mark.parametrize("kind", ["semantic_poss", "daps3d"])
def test_where_nobody_tells_the_unit_of_the_intensity_one_scale_holds_for_all_scans(kind, tmp_path):
    scans = sorted(written(kind, tmp_path).rglob("*.bin"))
    rows = [np.fromfile(path, np.float32).reshape(-1, 4) for path in scans]
    for path, scan, brightest in zip(scans, rows, (200.0, 1.0), strict=False):
        scan[:, 3] = np.linspace(0.5, 1.0, len(scan)) * brightest
        scan.tofile(path)
    data_set = opened(kind, tmp_path)
    assert_allclose([data_set[k].cloud.intensity.max() for k in (1, 0)], np.array([1, 200]) / 255, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_beams_that_met_nothing_have_no_class(kind, tmp_path):
    for path in written(kind, tmp_path).rglob("*.bin"):
        rows = np.fromfile(path, np.float32)
        rows.reshape(len(KINDS[kind][2]), -1)[2:, :3] = 0.0
        rows.tofile(path)
    sample = opened(kind, tmp_path)[0]
    assert (sample.class_id[2:] == 255).all()
    assert len(labelled_scan(sample)) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_scan_is_named_and_one_without_labels_has_none(kind, tmp_path):
    data_set = opened(kind, written(kind, tmp_path))
    name, labels, points = data_set[0].name, sorted(tmp_path.rglob("*.label")), sorted(tmp_path.rglob("*.bin"))
    for path in labels:
        path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(BadDataset, match=f"^{name}: .*belongs to another scan or is truncated"):
        data_set[0]
    for path in labels:
        path.unlink()
    assert data_set[0].class_id is None
    for path in points:
        path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(BadDataset, match=f"^{name}: .*truncated"):
        data_set[0]


@pytest.mark.parametrize("kind", KINDS)
def test_an_absent_data_set_draws_its_layout_in_one_line(kind, tmp_path):
    for folder in (tmp_path / "nothing", tmp_path):
        with pytest.raises(BadDataset, match=re.escape(data_set_spec(kind).layout.line().split(", ")[0])) as told:
            opened(kind, folder)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", KINDS)
def test_raw_ids_that_a_data_set_does_not_have_are_refused_by_number(kind, tmp_path):
    KINDS[kind][1](tmp_path, [3, 200])
    with pytest.raises(BadDataset, match="200"):
        opened(kind, tmp_path)[0]


@pytest.mark.parametrize(
    ("kind", "split", "names"),
    [
        ("scribble_kitti", "val", ["08/000000", "08/000001"]),
        ("rellis3d", "train", ["00000/000007", "00001/000003"]),
        ("rellis3d", "val", ["00004/000001"]),
        ("semantic_poss", "val", ["02/000000", "02/000001"]),
        ("semantic_stf", "train", ["train/000000", "train/000001"]),
        ("daps3d", "train", ["38-18_7_72_90/000000", "38-18_7_72_90/000001"]),
    ],
)
def test_an_official_split_holds_its_own_scans_in_sorted_order(kind, split, names, tmp_path):
    data_set = opened(kind, written(kind, tmp_path), split=split)
    assert [data_set[i].name for i in range(len(data_set))] == names


def test_every_second_scan_of_a_list_is_that_of_the_sorted_list(tmp_path):
    scans = [f"00000/{number:06d}" for number in (4, 0, 3, 1, 2)]
    write_rellis(tmp_path, [3], {"train": scans})
    data_set = opened("rellis3d", tmp_path, split="train", label_skip=2)
    assert [data_set[i].name for i in range(len(data_set))] == ["00000/000000", "00000/000002", "00000/000004"]


def test_rellis_can_be_read_in_the_classes_of_its_own_benchmark(tmp_path):
    write_rellis(tmp_path, [3, 1, 34], {"train": ["00000/000000"]})
    assert Rellis3d(tmp_path, classes=class_table("rellis3d14"))[0].class_id.tolist() == [0, 255, 13]


@pytest.mark.parametrize("line", ["00000/a.bin", "../x/a.bin ../x/a.label", "/etc/passwd /etc/passwd", "a.bin b.label"])
def test_a_list_that_names_no_pair_of_files_below_the_folder_is_refused(line, tmp_path):
    write_rellis(tmp_path, [3], {"train": ["00000/000000"]})
    (tmp_path / "pt_train.lst").write_text(line + "\n")
    with pytest.raises(BadDataset, match=r"pt_train\.lst"):
        Rellis3d(tmp_path, ("pt_train.lst",))


def test_synlidar_is_found_below_a_folder_sequences_and_in_kittis_classes(tmp_path):
    write_kitti_like(tmp_path / "sequences" / "03", [4, 13, 19])
    source = SynLidarSource(folder=str(tmp_path))
    names = [
        class_table("semantic_kitti19").names[k]
        for k in open_source(source, class_table("semantic_kitti19"))[0].class_id
        if k != 255
    ]
    assert names == ["other-vehicle", "person"]


def test_scribbles_train_and_full_labels_validate(tmp_path):
    _scribbles(tmp_path, [10])
    full = np.full(1, 40, np.uint32)
    (tmp_path / "sequences" / "00" / "labels").mkdir()
    full.tofile(tmp_path / "sequences" / "00" / "labels" / "000000.label")
    car, road = class_table("semantic_kitti19").id_of("car"), class_table("semantic_kitti19").id_of("road")
    assert ScribbleKitti(tmp_path)[0].class_id.tolist() == [car]
    full.tofile(tmp_path / "sequences" / "08" / "labels" / "000000.label")
    assert ScribbleKitti(tmp_path, ["08"])[0].class_id.tolist() == [road]


def test_full_labels_never_pass_for_scribbles(tmp_path):
    write_kitti_like(tmp_path / "sequences" / "00", [10])
    with pytest.raises(BadDataset, match="sequences/00/scribbles"):
        ScribbleKitti(tmp_path)


def test_kitti_scans_without_pictures_need_no_calibration_and_have_no_pose(tmp_path, test_data):
    from offline_training.datasets.lidar.semantic_kitti import SemanticKitti

    folder = recording(test_data, "tiny_fixtures/semantickitti")
    sample = SemanticKitti(folder)[0]
    assert (len(sample.cloud), sample.views) == (50, ())
    with pytest.raises(BadDataset, match=r"calib\.txt"):
        SemanticKitti(folder).T_world_lidar(0)
    write_scan(tmp_path / "sequences" / "00" / "velodyne" / "000000.bin", None, [10])
    (tmp_path / "sequences" / "00" / "image_2").mkdir()
    assert SemanticKitti(tmp_path)[0].views == ()
    (tmp_path / "sequences" / "00" / "image_2" / "000000.png").write_bytes(b"")
    with pytest.raises(BadDataset, match=r"calib\.txt"):
        SemanticKitti(tmp_path)


def test_the_scene_lists_of_nuscenes_have_their_published_sizes_and_do_not_overlap():
    sizes = {
        split: len(set(data_set_spec("nuscenes").official_split(split))) for split in data_set_spec("nuscenes").splits
    }
    assert sizes == {
        "train": 700, "val": 150, "test": 150, "mini_train": 8, "mini_val": 2, "parametrize": 600, "verify": 100,
    }  # fmt: skip
    train, val, test = (set(data_set_spec("nuscenes").official_split(split)) for split in ("train", "val", "test"))
    assert train.isdisjoint(val)
    assert test.isdisjoint(train | val)
    assert set(data_set_spec("nuscenes").official_split("verify")) < train
    assert set(data_set_spec("nuscenes").official_split("parametrize")) == train - set(
        data_set_spec("nuscenes").official_split("verify")
    )
    assert {"scene-0061", "scene-0392"} <= train
    assert {"scene-0003", "scene-0103"} <= val
    assert all(re.fullmatch(r"scene-\d{4}", scene) for scene in train | val | test)


def test_semantic_kitti_tests_on_eleven_sequences_and_validates_on_one():
    assert data_set_spec("semantic_kitti").official_split("test") == tuple(str(number) for number in range(11, 22))
    assert data_set_spec("semantic_kitti").official_split("val") == ("08",)
    assert len(data_set_spec("semantic_kitti").official_split("train")) == 10


def test_a_split_that_does_not_exist_and_a_split_beside_sequences_are_refused(tmp_path):
    with pytest.raises(BadConfig, match="train, val, test"):
        data_set_spec("semantic_kitti").official_split("dev")
    with pytest.raises(BadConfig, match="sequences"):
        data_set_spec("synlidar").official_split("train")
    with pytest.raises(BadConfig, match=r"sequences for kind synlidar, found split"):
        opened("synlidar", tmp_path, split="train")
    write_kitti_like(tmp_path / "train", [1], columns=5)
    with pytest.raises(BadConfig, match="both"):
        opened("semantic_stf", tmp_path, split="train", sequences=["train"])
