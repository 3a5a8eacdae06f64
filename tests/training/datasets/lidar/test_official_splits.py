"""Official splits of the data sets: their scans, their order, and what is no split."""

import re

import pytest

from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.datasets.data_sources import data_set_spec
from offline_training.datasets.lidar.rellis3d import Rellis3d
from tests.training.datasets.lidar.label_data_sets import opened, written
from tests.written.lidar_data_sets import write_kitti_like, write_rellis


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


@pytest.mark.parametrize("line", ["00000/a.bin", "../x/a.bin ../x/a.label", "/etc/passwd /etc/passwd", "a.bin b.label"])
def test_a_list_that_names_no_pair_of_files_below_the_folder_is_refused(line, tmp_path):
    write_rellis(tmp_path, [3], {"train": ["00000/000000"]})
    (tmp_path / "pt_train.lst").write_text(line + "\n")
    with pytest.raises(BadDataset, match=r"pt_train\.lst"):
        Rellis3d(tmp_path, ("pt_train.lst",))


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
