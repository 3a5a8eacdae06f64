"""ScanNet: meshes with labels and segments, frames, splits, and damaged scenes."""

import json
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.ply import ply_bytes
from lidar_vl_core.foundation.errors import BadDataset, BadLabels
from offline_training.cli.main import main
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.rgbd.scannet import ScanNet, ScanNetSource
from tests.recordings import recording
from tests.training.datasets.rgbd.scannet_scenes import CLASSES, POINTS, write_scene, write_sens
from tests.written.rgbd_scenes import K, write_exported

SCANNET_20 = class_table("scannet20")


def test_a_scene_is_its_mesh_with_20_classes_and_the_frames_of_its_recording(tmp_path):
    scene = write_scene(tmp_path / "scans" / "scene0000_00")
    write_sens(scene / "scene0000_00.sens", 41)
    segments = np.arange(POINTS) // 7 + 1000
    (scene / "scene0000_00_vh_clean_2.0.010000.segs.json").write_text(json.dumps({"segIndices": segments.tolist()}))
    sample = ScanNet(tmp_path)[0]
    assert sample.name == "scene0000_00"
    assert sample.class_id.tolist() == CLASSES.tolist()
    assert sample.cloud.extra["rgb"][0].tolist() == [0, 50, 100]
    assert sample.cloud.extra["superpoint"].tolist() == segments.tolist()
    assert len(sample.views) == 3
    assert len(open_source(ScanNetSource(folder=str(tmp_path), view_step=10), SCANNET_20)[0].views) == 5


def test_labels_come_from_groups_of_segments_where_no_labelled_mesh_is(tmp_path):
    scene = write_scene(tmp_path / "scans" / "scene0000_00", labels=False)
    segments = np.arange(POINTS) // 10
    (scene / "scene0000_00_vh_clean_2.0.010000.segs.json").write_text(json.dumps({"segIndices": segments.tolist()}))
    groups = [{"segments": [0, 2], "label": "office chair"}, {"segments": [1], "label": "soap dish"}]
    (scene / "scene0000_00.aggregation.json").write_text(json.dumps({"segGroups": groups}))
    assert ScanNet(tmp_path)[0].class_id is None  # without the table of names
    table = "id\traw_category\tnyu40id\n5\toffice chair\t5\n6\tsoap dish\t40\n"
    (tmp_path / "scannetv2-labels.combined.tsv").write_text(table)
    chair = SCANNET_20.id_of("chair")
    assert ScanNet(tmp_path)[0].class_id.tolist() == [chair] * 10 + [255] * 10 + [chair] * 10 + [255] * 10


def test_the_200_classes_are_those_of_the_names_of_groups_which_labels_of_nyu40_do_not_have(tmp_path):
    scene, fine = write_scene(tmp_path / "scans" / "scene0000_00"), class_table("scannet200")
    with pytest.raises(BadDataset, match=r"aggregation\.json, its .* finer than the NYU40 ids"):
        ScanNet(tmp_path, classes=fine)[0]
    segments = np.arange(POINTS) // 10
    (scene / "scene0000_00_vh_clean_2.0.010000.segs.json").write_text(json.dumps({"segIndices": segments.tolist()}))
    names = ("office chair", "soap dish", "broken thing")
    groups = [{"segments": [k], "label": name} for k, name in enumerate(names)]
    (scene / "scene0000_00.aggregation.json").write_text(json.dumps({"segGroups": groups}))
    table = "id\traw_category\tnyu40id\n10\toffice chair\t5\n157\tsoap dish\t40\n1300\tbroken thing\t40\n"
    (tmp_path / "scannetv2-labels.combined.tsv").write_text(table)
    office_chair, soap_dish = fine.id_of("office chair"), fine.id_of("soap dish")
    dataset = open_source(ScanNetSource(folder=str(tmp_path)), fine)
    assert dataset[0].class_id.tolist() == [office_chair] * 10 + [soap_dish] * 10 + [255] * 20
    assert ScanNet(tmp_path)[0].class_id.tolist() == CLASSES.tolist()  # the 20 as before
    test = write_scene(tmp_path / "scans_test" / "scene0707_00", labels=False)
    assert ScanNet(tmp_path, [test.name], classes=fine)[0].class_id is None


def test_scenes_of_the_test_split_have_no_labels_and_lists_choose_scenes(tmp_path):
    for name in ("scene0000_00", "scene0001_00"):
        write_scene(tmp_path / "scans" / name)
    write_scene(tmp_path / "scans_test" / "scene0707_00", labels=False)
    for split, name in (("train", "scene0001_00"), ("test", "scene0707_00"), ("val", "scene0009_00")):
        (tmp_path / f"scannetv2_{split}.txt").write_text(f"{name}\n")

    def chosen(**values: object) -> list[str]:
        dataset = open_source(ScanNetSource(folder=str(tmp_path), **values), SCANNET_20)
        return [dataset[index].name for index in range(len(dataset))]

    assert chosen() == ["scene0000_00", "scene0001_00", "scene0707_00"]
    assert chosen(split="train") == ["scene0001_00"]
    assert chosen(sequences=("scene0000_00",)) == ["scene0000_00"]
    assert ScanNet(tmp_path, ["scannetv2_test.txt"])[0].class_id is None
    with pytest.raises(BadDataset, match="none for scene0009_00"):
        chosen(split="val")
    (tmp_path / "scannetv2_val.txt").unlink()
    with pytest.raises(BadDataset, match=r"expected the list scannetv2_val.txt"):
        chosen(split="val")


def test_views_of_the_25k_frames_and_of_exported_folders_are_found(tmp_path):
    write_scene(tmp_path / "scans" / "scene0000_00")
    assert ScanNet(tmp_path)[0].views == ()
    subset = write_exported(tmp_path / "scannet_frames_25k" / "scene0000_00", 3)
    for name in ("color", "depth"):  # the subset's own names
        (subset / "intrinsic" / f"intrinsic_{name}.txt").rename(subset / f"intrinsics_{name}.txt")
    (view, *others) = ScanNet(tmp_path)[0].views
    assert len(others) == 2
    assert view.file == "scene0000_00/color/0.png"
    assert np.allclose(view.camera.K, K)
    assert ScanNet(tmp_path, frames=["2"]).views(0)[0].name == "2"


BROKEN = {
    "mesh cut": (lambda s: _cut(s / f"{s.name}_vh_clean_2.ply"), "The file is truncated"),
    "mesh without colours": (
        lambda s: (s / f"{s.name}_vh_clean_2.ply").write_bytes(ply_bytes({n: np.zeros(POINTS) for n in "xyz"})),
        "expected red, green and blue",
    ),
    "labels of another scene": (
        lambda s: (s / f"{s.name}_vh_clean_2.labels.ply").write_bytes(ply_bytes({"label": np.zeros(3, np.uint16)})),
        "expected 40 labels, one per vertex of the scene's mesh, found 3",
    ),
    "labels without labels": (
        lambda s: (s / f"{s.name}_vh_clean_2.labels.ply").write_bytes(ply_bytes({"x": np.zeros(40)})),
        "expected a property `label`",
    ),
    "segments of another scene": (
        lambda s: (s / f"{s.name}_vh_clean_2.0.01.segs.json").write_text('{"segIndices": [1]}'),
        "expected 40 segment numbers",
    ),
    "segments of words": (
        lambda s: (s / f"{s.name}_vh_clean_2.0.01.segs.json").write_text('{"segIndices": ["a"]}'),
        "expected a list `segIndices`",
    ),
    "segments cut": (lambda s: (s / f"{s.name}_vh_clean_2.0.01.segs.json").write_text('{"segInd'), "expected JSON"),
}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_scene_is_refused_by_what_is_wrong(name, tmp_path):
    damage, told = BROKEN[name]
    damage(write_scene(tmp_path / "scans" / "scene0000_00"))
    with pytest.raises(BadDataset, match=told):
        ScanNet(tmp_path)[0]


def test_check_data_tells_scenes_and_splits(tmp_path, capsys):
    scene = write_scene(tmp_path / "scans" / "scene0000_00", points=30000)
    write_sens(scene / "scene0000_00.sens")
    (tmp_path / "scannetv2_val.txt").write_text("scene0000_00\n")
    assert main(["check-data", "scannet", str(tmp_path), "view_step=1"]) == 0
    out = capsys.readouterr().out
    assert "scenes: 1" in out
    assert "split val: 1 scenes" in out
    assert "split train: found none. Copy it from their repository" in out
    assert "scene0000_00: 4 views, 0 left out" in out


def test_the_masks_of_a_converted_scene_map_to_the_20_classes(test_data):
    raw = np.fromfile(recording(test_data, "tiny_fixtures/scannet/semantic_mask/scene0000_00.bin"), np.int64)
    class_id = label_map("scannet", SCANNET_20).apply(raw)
    assert (
        (class_id == 255) == ~np.isin(raw, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39])
    ).all()
    with pytest.raises(BadLabels):
        label_map("scannet", SCANNET_20).apply(np.array([41]))
