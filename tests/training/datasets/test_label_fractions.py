"""Fractions of the labels: the published counts, by scene for nuScenes and by frame for the others."""

import numpy as np
import pytest

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.base.label_fractions import labelled_frames, labelled_scenes
from offline_training.datasets.base.sample_source import EveryNth
from offline_training.datasets.data_sources import DataSource, data_source, open_source
from offline_training.datasets.lidar.files.nuscenes_records import scene_names
from offline_training.datasets.lidar.files.nuscenes_splits import NUSCENES_SPLITS
from tests.written.lidar_data_sets import write_nuscenes

NUSCENES_16 = class_table("nuscenes16")

KITTI_SCANS = {"00": 4541, "01": 1101, "02": 4661, "03": 801, "04": 271, "05": 2761, "06": 1101, "07": 1101}
KITTI_SCANS |= {"09": 1591, "10": 1201}  # its ten training sequences
CALIB = "P2: 700 0 600 45 0 700 180 0 0 0 1 0\nTr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n"


def shuffled_scene_table() -> list[str]:
    """The 850 scenes of v1.0-trainval; the real table is not in the order of their numbers either."""
    names = np.array([*NUSCENES_SPLITS["train"], *NUSCENES_SPLITS["val"]])
    return np.random.default_rng(0).permutation(names).tolist()


def source(**values: object) -> DataSource:
    return data_source(dict(values), "test")


@pytest.mark.parametrize(("skip", "scenes"), [(100, 7), (20, 35), (10, 70), (4, 175), (1, 700)])
def test_nuscenes_has_the_published_number_of_labelled_scenes(skip, scenes):
    kept = labelled_scenes(shuffled_scene_table(), NUSCENES_SPLITS["train"], skip)
    assert len(kept) == scenes
    assert set(kept) <= set(NUSCENES_SPLITS["train"])


@pytest.mark.parametrize("skip", [100, 20, 10, 4, 1])
def test_scenes_are_counted_within_their_split_in_the_order_of_the_table(skip):
    """The original walks the table, counts a scene of the split, and keeps it where the count is a multiple of skip."""
    table, train = shuffled_scene_table(), set(NUSCENES_SPLITS["train"])
    count, kept = 0, []
    for name in table:
        if name in train:
            count += 1
            if count % skip == 0:
                kept.append(name)
    assert labelled_scenes(table, NUSCENES_SPLITS["train"], skip) == tuple(kept)


@pytest.mark.parametrize(
    ("skip", "numbers"),
    [(100, [100, 200, 300, 400, 500, 600, 700]), (20, range(20, 701, 20)), (10, range(10, 701, 10)),
     (4, range(4, 701, 4)), (1, range(1, 701))],
)  # fmt: skip
def test_the_kept_scenes_are_numbers_skip_and_its_multiples_of_those_that_count(skip, numbers):
    table = [f"{'train' if row < 700 else 'val'}-{row + 1}" for row in range(850)]
    kept = labelled_scenes(table, table[:700], skip)
    assert [int(name.split("-")[1]) for name in kept] == list(numbers)


def test_a_skip_that_keeps_no_scene_is_refused():
    assert labelled_scenes(["scene-0001", "scene-0002"], None, 2) == ("scene-0002",)
    with pytest.raises(BadConfig, match="at most 2, as many as there are scenes, found 100"):
        labelled_scenes(["scene-0001", "scene-0002"], None, 100)


@pytest.mark.parametrize(("skip", "scans"), [(100, 192), (20, 957), (10, 1913), (5, 3826), (1, 19130)])
def test_semantic_kitti_has_the_published_number_of_labelled_scans(skip, scans):
    assert len(labelled_frames(sum(KITTI_SCANS.values()), skip)) == scans


def test_a_kitti_source_keeps_every_nth_scan_across_its_sequences(tmp_path):
    for name, scans in (("00", 7), ("01", 5)):
        folder = tmp_path / "sequences" / name
        for kind in ("velodyne", "labels"):
            (folder / kind).mkdir(parents=True)
        (folder / "calib.txt").write_text(CALIB)
        for scan in range(scans):
            np.zeros((1, 4), np.float32).tofile(folder / "velodyne" / f"{scan:06d}.bin")
            np.full(1, 10, np.uint32).tofile(folder / "labels" / f"{scan:06d}.label")
    kept = open_source(
        source(kind="semantic_kitti", folder=str(tmp_path), label_skip=5), class_table("semantic_kitti19")
    )
    assert [kept[i].name for i in range(len(kept))] == ["00/000000", "00/000005", "01/000003"]
    with pytest.raises(IndexError):
        kept[3]


def test_a_nuscenes_source_keeps_whole_scenes_of_its_split_in_the_order_of_the_table(tmp_path):
    every = (*NUSCENES_SPLITS["train"], *NUSCENES_SPLITS["val"])
    table = ["scene-1094", "scene-0103", "scene-0061", "scene-0916", "scene-0553", "scene-0655", "scene-0757"]
    assert set(table) < set(every)
    write_nuscenes(tmp_path, "v1.0-mini", dict.fromkeys(table, 2), points=20)
    assert scene_names(tmp_path, "v1.0-mini") == table
    scenes = ("scene-0061", "scene-0553", "scene-1094")
    kept = open_source(
        source(kind="nuscenes", folder=str(tmp_path), version="v1.0-mini", sequences=scenes, label_skip=2), NUSCENES_16
    )
    assert [kept[i].name for i in range(len(kept))] == [
        "scene-0061/scene-0061-0", "scene-0061/scene-0061-1"
    ]  # fmt: skip
    validation = source(kind="nuscenes", folder=str(tmp_path), version="v1.0-mini", split="mini_val")
    assert len(open_source(validation, NUSCENES_16)) == 4


def test_scenes_of_another_version_are_refused():
    with pytest.raises(BadConfig, match="expected scenes of this version, found 699 others"):
        labelled_scenes(["scene-0001"], NUSCENES_SPLITS["train"], 100)


@pytest.mark.parametrize("skip", [0, -1])
def test_a_skip_below_one_is_refused(skip):
    for refused in (lambda: labelled_frames(10, skip), lambda: labelled_scenes(["scene-0001"], None, skip)):
        with pytest.raises(BadConfig, match="label_skip: expected at least 1"):
            refused()


def test_every_nth_keeps_the_class_table_of_its_source():
    class Numbers:
        classes = NUSCENES_16

        def __len__(self) -> int:
            return 10

        def __getitem__(self, index: int) -> int:
            return range(10)[index]

    kept = EveryNth(Numbers(), 4)
    assert [kept[i] for i in range(len(kept))] == [0, 4, 8]
    assert kept.classes == NUSCENES_16
