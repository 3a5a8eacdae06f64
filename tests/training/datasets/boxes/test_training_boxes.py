"""Batches of scans with boxes: their order, what happens to them on the way, and the collate."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.sweeps.joining import TIME_LAG
from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.datasets.augment.box_augment import BoxAugmentConfig
from offline_training.datasets.augment.box_scan import box_scan
from offline_training.datasets.augment.class_balance import class_balanced_scans
from offline_training.datasets.augment.object_database import build_object_database
from offline_training.datasets.augment.object_paste import PasteConfig
from offline_training.datasets.base.box_sample import BoxSample
from offline_training.datasets.base.box_source import EveryNthBoxes
from offline_training.datasets.batches.balanced_order import BalancedOrder
from offline_training.datasets.batches.collate_boxes import collate_boxes
from offline_training.datasets.batches.training_boxes import BoxTraining, TrainingBoxes, balanced_order, even_order
from offline_training.networks.voxelnet.inputs import VoxelNetPreparer

KITTI_3 = class_table("kitti3")
RANGE_M = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
PLAIN = BoxTraining(RANGE_M)


class Places:
    """Scan k has a car k metres ahead of 10 m, with 8 points in it, and in every tenth scan a cyclist."""

    classes = KITTI_3

    def __init__(self, scans: int) -> None:
        self.scans = scans

    def __len__(self) -> int:
        return self.scans

    def boxes(self, index: int) -> Boxes3d:
        rows = [[10.0 + index, 0, -1, 4, 2, 2, 0], [5.0, 12.0, -1, 2, 1, 2, 0.5]]
        count = 2 if index % 10 == 0 else 1
        return Boxes3d.of(rows[:count], [0, 2][:count], frame_id="velodyne")

    def __getitem__(self, index: int) -> BoxSample:
        boxes = self.boxes(index)
        rng = np.random.default_rng(index)
        near = np.repeat(boxes.boxes[:, :3], 8, axis=0) + rng.uniform(-0.2, 0.2, (8 * len(boxes), 3))
        xyz_m = np.concatenate([near, [[0.0, 0.0, 0.0]]]).astype(np.float32)  # the last beam met nothing
        cloud = PointCloud(xyz_m, np.linspace(0, 1, len(xyz_m), dtype=np.float32), 0, "velodyne")
        return BoxSample(f"places/{index}", cloud, boxes, KITTI_3, np.full(len(boxes), 8))


@given(
    st.lists(st.lists(st.sampled_from([0, 1, 2, IGNORE_ID]), max_size=4), min_size=1, max_size=30),
    st.integers(0, 2**31),
)
def test_each_class_that_occurs_gets_as_many_scans(classes_of_scan, seed):
    class_ids = [np.array(ids, np.uint8) for ids in classes_of_scan]
    drawn = class_balanced_scans(class_ids, 3, np.random.default_rng(seed))
    with_class = [sum(k in ids for ids in classes_of_scan) for k in range(3)]
    present = [count for count in with_class if count]
    assert len(drawn) == (sum(present) // len(present) * len(present) if present else 0)
    assert all(set(classes_of_scan[scan]) - {IGNORE_ID} for scan in drawn)


def test_scans_of_a_rare_class_come_oftener():
    class_ids = [np.array([0], np.uint8)] * 90 + [np.array([0, 1], np.uint8)] * 10
    drawn = class_balanced_scans(class_ids, 2, np.random.default_rng(0))
    assert len(drawn) == 110
    assert np.count_nonzero(drawn >= 90) >= 55  # half of the draws are for the rare class


def test_a_balanced_order_is_the_same_wherever_it_is_asked_for_and_new_each_epoch():
    ids = [Places(40).boxes(index).class_id for index in range(40)]
    order, resumed = BalancedOrder(ids, 3, 4, seed=7), BalancedOrder(ids, 3, 4, seed=7)
    assert order.steps_per_epoch == 11  # 44 pairs of a scan and a class
    steps = [(step, place) for step in range(30) for place in range(4)]
    scans = [order.scan(*each) for each in steps]
    assert [resumed.scan(*each) for each in reversed(steps)] == scans[::-1]
    assert scans[:44] != scans[44:88]
    assert np.isin(scans[:44], range(0, 40, 10)).sum() >= 22


def test_scans_without_boxes_have_no_balanced_order():
    with pytest.raises(BadDataset, match="expected boxes of a class in 2 scans, found none"):
        BalancedOrder([np.array([], np.uint8), np.array([255], np.uint8)], 3, 1, 0)


def test_several_sources_are_numbered_one_behind_the_other():
    sources = [Places(3), Places(5)]
    scans = TrainingBoxes(sources, even_order(sources, 2, 0), PLAIN, 0)
    assert [scans.read(number).boxes.boxes[0, 0] - 10 for number in range(8)] == [0, 1, 2, 0, 1, 2, 3, 4]
    assert balanced_order(sources, 2, 0).steps_per_epoch == (3 + 5 + 2) // 2 * 2 // 2


def test_a_scan_is_the_same_whenever_it_is_asked_for_and_its_points_are_in_another_order():
    sources = [Places(6)]
    training = replace(PLAIN, augmentation=BoxAugmentConfig())
    scans, again = (TrainingBoxes(sources, even_order(sources, 2, 3), training, 3) for _ in range(2))
    first, same = scans[5, 1], pickle.loads(pickle.dumps(again))[5, 1]
    assert_array_equal(first.xyz_m, same.xyz_m)
    assert_array_equal(first.boxes.boxes, same.boxes.boxes)
    plain = TrainingBoxes(sources, even_order(sources, 2, 3), PLAIN, 3)
    shuffled, stored = plain[0, 0], plain.read(even_order(sources, 2, 3).scan(0, 0))
    assert not np.array_equal(shuffled.xyz_m, stored.xyz_m)
    assert_array_equal(np.sort(shuffled.intensity), np.sort(stored.intensity))
    assert len(stored) == 8 * len(stored.boxes)  # without the beam that met nothing


def test_objects_are_pasted_before_the_scan_is_changed(tmp_path):
    sources = [Places(6)]
    database = build_object_database(sources[0], tmp_path, "places")
    training = replace(PLAIN, paste=PasteConfig(objects={"Car": 3, "Cyclist": 2}), augmentation=BoxAugmentConfig())
    scans = TrainingBoxes(sources, even_order(sources, 1, 0), training, 0, database)
    assert max(len(scans[step, 0].boxes) for step in range(6)) >= 3


def test_every_nth_scan_keeps_its_boxes():
    kept = EveryNthBoxes(Places(10), 4)
    assert [kept[index].boxes.boxes[0, 0] - 10 for index in range(len(kept))] == [0, 4, 8]
    assert kept.boxes(1).boxes[0, 0] == 14


def test_a_batch_has_the_networks_inputs_and_the_boxes_of_each_scan():
    grid = VoxelGrid("cartesian", (0.1, 0.1, 0.2), RANGE_M)
    scans = [box_scan(Places(4)[index]) for index in (0, 3)]
    batch = collate_boxes(scans, VoxelNetPreparer(grid, 1.0)).to("cpu")
    assert [len(boxes) for boxes in batch.boxes] == [2, 1]
    assert_array_equal(batch.boxes[0].boxes, scans[0].boxes.boxes)
    assert batch.inputs.points_per_scan == (16, 8)
    assert_array_equal(batch.inputs.scan_of_point().numpy(), [0] * 16 + [1] * 8)


def test_a_preparer_gets_the_time_of_joined_sweeps():
    cloud = PointCloud(
        np.ones((3, 3), np.float32),
        np.zeros(3, np.float32),
        0,
        "velodyne",
        {TIME_LAG: np.array([0, 0.05, 0.1], np.float32)},
    )
    none = Boxes3d.of(np.zeros((0, 7)), [], frame_id="velodyne")
    sample = BoxSample("joined", cloud, none, KITTI_3, np.zeros(0, np.int64))
    got = []

    class Kept:
        def to(self, device):
            return self

    def preparer(arrays):
        got.extend(arrays)
        return Kept()

    collate_boxes([box_scan(sample)], preparer)
    assert [len(each) for each in got] == [3]
    assert_array_equal(got[0][2], [0, np.float32(0.05), np.float32(0.1)])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"point_count": np.zeros(2, np.int64)}, "expected 1 point counts"),
        ({"difficulty": np.zeros(1, np.float32)}, "expected 1 levels"),
        ({"boxes": Boxes3d.of([[1.0, 2, 3, 4, 5, 6, 0]], [3], frame_id="velodyne")}, "expected classes of kitti3"),
        ({"boxes": Boxes3d.of([[1.0, 2, 3, 4, 5, 6, 0]], [0], frame_id="camera")}, "frame 'velodyne', found 'camera'"),
    ],
)
def test_boxes_that_do_not_belong_to_their_cloud_are_refused(values, told):
    sample = Places(2)[1]
    with pytest.raises(BadDataset, match=f"places/1: .*{told}"):
        replace(sample, **values)
