"""Ground-truth sampling: a database that survives being stopped, and objects pasted where nothing stands."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.iou import bev_iou
from lidar_vl_core.boxes.points_in_boxes import points_in_boxes
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from lidar_vl_core.sweeps.joining import TIME_LAG
from offline_training.datasets.augment import object_database
from offline_training.datasets.augment.box_scan import box_scan, turned
from offline_training.datasets.augment.object_database import build_object_database, open_object_database
from offline_training.datasets.augment.object_paste import PasteConfig, free_places, paste_objects
from offline_training.datasets.base.box_sample import BoxSample

KITTI_3 = class_table("kitti3")
REPOSITORY = Path(__file__).parents[4]


class Street:
    """Scans with a car of 30 points, a pedestrian of 6, a cyclist of 3, something of no class, and 500 other points."""

    classes = KITTI_3

    def __init__(self, scans: int, hard: bool = False) -> None:
        self.scans, self.hard, self.read = scans, hard, []

    def __len__(self) -> int:
        return self.scans

    def boxes(self, index: int) -> Boxes3d:
        rng = np.random.default_rng(index)
        place = np.array([[10.0, 0, -1], [20, 8, -1], [30, -8, -1], [40, 0, -1]])
        place[:, :2] += rng.uniform(-5, 5, (4, 2))
        size = np.array([[4.0, 1.6, 1.5], [0.8, 0.8, 1.8], [1.8, 0.6, 1.8], [4, 2, 2]])
        yaw = rng.uniform(-3, 3, (4, 1))
        return Boxes3d.of(np.column_stack([place, size, yaw]), [0, 1, 2, 255], frame_id="velodyne")

    def __getitem__(self, index: int) -> BoxSample:
        self.read.append(index)
        boxes, rng = self.boxes(index), np.random.default_rng([index, 1])
        count = np.array([30, 6, 3, 20])
        own = np.repeat(boxes.boxes, count, axis=0)
        local = rng.uniform(-0.48, 0.48, (len(own), 3)) * own[:, 3:6]
        c, s = np.cos(own[:, 6]), np.sin(own[:, 6])
        inside = own[:, :3] + np.column_stack(
            [c * local[:, 0] - s * local[:, 1], s * local[:, 0] + c * local[:, 1], local[:, 2]]
        )
        others = rng.uniform((-50, -50, 5), (50, 50, 9), (500, 3))
        xyz_m = np.concatenate([inside, others]).astype(np.float32)
        lag = rng.choice([0.0, 0.05], len(xyz_m)).astype(np.float32)
        cloud = PointCloud(xyz_m, rng.random(len(xyz_m), np.float32), 0, "velodyne", {TIME_LAG: lag})
        level = np.array([0, -1 if self.hard else 2, 1, 0], np.int8)
        return BoxSample(f"street/{index}", cloud, boxes, KITTI_3, count, level)


def build(folder, scans: int = 5, **values):
    return build_object_database(Street(scans), folder, "street, train", **values)


def test_every_object_with_enough_points_is_there_with_its_points(tmp_path):
    database, street = build(tmp_path), Street(5)
    assert np.bincount(database.class_id).tolist() == [5, 5]  # cyclists have 3 points, and the rest no class
    for row in range(len(database)):
        sample = street[row // 2]
        points, box = database.points(row), database.box[row]
        assert_array_equal(box, sample.boxes.boxes[row % 2])
        inside, _ = points_in_boxes(sample.cloud.xyz_m, box[None])
        assert_allclose(points[:, :3] + box[:3], sample.cloud.xyz_m[inside], atol=1e-5)
        assert_array_equal(points[:, 3], sample.cloud.intensity[inside])
        assert_array_equal(points[:, 4], sample.cloud.extra[TIME_LAG][inside])


def test_objects_beyond_the_levels_of_difficulty_are_left_out(tmp_path):
    database = build_object_database(Street(3, hard=True), tmp_path, "street")
    assert database.class_id.tolist() == [0, 0, 0]


def test_a_build_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(object_database, "_SCANS_PER_PIECE", 2)
    whole = build(tmp_path / "whole")

    class Stopped(Street):
        def __getitem__(self, index: int) -> BoxSample:
            if index == 3:
                raise KeyboardInterrupt
            return super().__getitem__(index)

    with pytest.raises(KeyboardInterrupt):
        build_object_database(Stopped(5), tmp_path / "stopped", "street, train")
    with pytest.raises(BadDataset, match=r"complete database of 3 pieces, found 1\. Build it again"):
        open_object_database(tmp_path / "stopped", KITTI_3)
    (tmp_path / "stopped" / ".points_00001.npy.abc.tmp").write_bytes(b"killed while writing")
    street, heard = Street(5), []
    again = build_object_database(street, tmp_path / "stopped", "street, train", on_progress=heard.append)
    assert (street.read, heard) == ([2, 3, 4], [2, 2, 1])
    assert not list((tmp_path / "stopped").glob("*.tmp"))
    assert_array_equal(again.box, whole.box)
    for row in range(len(whole)):
        assert_array_equal(again.points(row), whole.points(row))


@pytest.mark.slow
def test_a_build_that_was_killed_goes_on(tmp_path, monkeypatch):
    """Killed outright while it writes, at whatever moment: nothing half-written is taken for whole."""
    code = (
        "from pathlib import Path\n"
        "from offline_training.datasets.augment import object_database\n"
        "from tests.training.datasets.boxes.test_object_database import Street\n"
        "object_database._SCANS_PER_PIECE = 1\n"
        f"object_database.build_object_database(Street(400), Path({str(tmp_path)!r}), 'street')\n"
    )
    builder = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("objects_*.npz"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    builder.kill()
    builder.wait()
    pieces = len(list(tmp_path.glob("objects_*.npz")))
    assert 3 <= pieces < 400
    monkeypatch.setattr(object_database, "_SCANS_PER_PIECE", 1)
    with pytest.raises(BadDataset, match="Build it again: that resumes"):
        open_object_database(tmp_path, KITTI_3)
    street = Street(400)
    database = build_object_database(street, tmp_path, "street")
    assert len(street.read) == 400 - pieces
    assert len(database) == 800
    assert all(len(database.points(row)) in (6, 30) for row in range(0, 800, 40))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"made_of": "street, val"}, "made_of 'street, val', found 'street, train'"),
        ({"least_points": 9}, "least_points 9, found 5"),
        ({"source": Street(6)}, "scans 6, found 5"),
    ],
)
def test_a_folder_made_of_something_else_is_refused(change, told, tmp_path):
    build(tmp_path)
    values = {"source": Street(5), "folder": tmp_path, "made_of": "street, train", "least_points": 5} | change
    with pytest.raises(BadDataset, match=f"expected a database with {told}"):
        build_object_database(**values)


def test_another_class_table_and_damaged_files_are_told(tmp_path):
    build(tmp_path)
    with pytest.raises(BadDataset, match=r"expected objects of the classes car, truck, .*, found Car"):
        open_object_database(tmp_path, class_table("nuscenes10"))
    database = open_object_database(tmp_path, KITTI_3)
    (tmp_path / "points_00000.npy").write_bytes(b"cut")
    with pytest.raises(BadDataset, match="points_00000"):
        database.points(0)
    (tmp_path / "objects_00000.npz").write_bytes(b"cut")
    with pytest.raises(BadDataset, match=r"objects_00000\.npz: .*Remove both files"):
        open_object_database(tmp_path, KITTI_3)
    with pytest.raises(BadDataset, match=r"database\.json: .*Build it first"):
        open_object_database(tmp_path / "nothing", KITTI_3)
    (tmp_path / "database.json").write_text(json.dumps({"version": 1}))
    with pytest.raises(BadConfig, match="made_of"):
        open_object_database(tmp_path, KITTI_3)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return build_object_database(Street(40), tmp_path_factory.mktemp("objects"), "street")


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 39))
def test_pasted_objects_touch_nothing_and_bring_their_points(database, seed, index):
    scan = box_scan(Street(40)[index])
    pasted = paste_objects(
        scan, database, PasteConfig(objects={"Car": 8, "Pedestrian": 8}), np.random.default_rng(seed)
    )
    new = pasted.boxes.boxes[len(scan.boxes) :]
    assert_array_equal(pasted.boxes.boxes[: len(scan.boxes)], scan.boxes.boxes)
    assert bev_iou(new, scan.boxes.boxes).max(initial=0) == 0
    overlaps = bev_iou(pasted.boxes.boxes, pasted.boxes.boxes)
    assert overlaps[len(scan.boxes) :].sum() == pytest.approx(len(new))  # each with itself alone
    _, box = points_in_boxes(pasted.xyz_m, np.column_stack([new[:, :3], new[:, 3:6] + 1e-3, new[:, 6]]))
    assert_array_equal(np.bincount(box, minlength=len(new)), pasted.point_count[len(scan.boxes) :])
    assert (np.bincount(pasted.boxes.class_id, minlength=256)[:2] <= 8).all()
    assert np.isfinite(pasted.time_lag_s).all()
    # What the scan had outside the new boxes is still there.
    hidden, _ = points_in_boxes(scan.xyz_m, new)
    assert len(pasted) == len(scan) - len(np.unique(hidden)) + pasted.point_count[len(scan.boxes) :].sum()


def test_filling_up_counts_what_a_scan_has_and_adding_does_not(database):
    scan, rng = box_scan(Street(40)[0]), np.random.default_rng(0)
    assert paste_objects(scan, database, PasteConfig(objects={"Car": 1}), rng) is scan
    added = paste_objects(scan, database, PasteConfig(objects={"Car": 1}, fill_up=False), np.random.default_rng(3))
    assert np.count_nonzero(added.boxes.class_id == 0) in (1, 2)
    assert len(paste_objects(scan, database, PasteConfig(), rng).boxes) == 4


def test_pasted_objects_stand_on_the_road_where_it_is_told(database):
    slope = replace(box_scan(Street(40)[0]), ground=np.array([0.1, 0.0, 1.0, 2.0]))  # z = -2 - 0.1 x
    pasted = paste_objects(slope, database, PasteConfig(objects={"Car": 9}), np.random.default_rng(0))
    new = pasted.boxes.boxes[len(slope.boxes) :]
    assert len(new) > 1
    assert_allclose(new[:, 2] - new[:, 5] / 2, -2.0 - 0.1 * new[:, 0])
    _, box = points_in_boxes(pasted.xyz_m, np.column_stack([new[:, :3], new[:, 3:6] + 1e-3, new[:, 6]]))
    assert_array_equal(np.bincount(box, minlength=len(new)), pasted.point_count[len(slope.boxes) :])
    assert turned(slope, 0.1).ground is None


def test_a_scan_without_lag_gets_objects_without_one(database):
    scan = replace(box_scan(Street(40)[0]), time_lag_s=None)
    assert (
        paste_objects(scan, database, PasteConfig(objects={"Pedestrian": 9}), np.random.default_rng(0)).time_lag_s
        is None
    )


def test_a_class_that_the_database_does_not_know_is_refused(database):
    scan = box_scan(Street(40)[0])
    for objects in ({"car": 3}, {"Car": -1}):
        with pytest.raises(BadConfig, match=r"expected classes of .* with numbers from 0"):
            paste_objects(scan, database, PasteConfig(objects=objects), np.random.default_rng(0))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_free_places_are_as_one_by_one(seed):
    rng = np.random.default_rng(seed)
    boxes = np.column_stack([rng.uniform(-6, 6, (9, 3)), rng.uniform(1, 4, (9, 3)), rng.uniform(-3, 3, 9)])
    free, there = free_places(boxes[2:], boxes[:2]), list(boxes[:2])
    for box, is_free in zip(boxes[2:], free, strict=True):
        touches = any(bev_iou(box[None], other[None])[0, 0] > 0 for other in there)
        assert is_free != touches
        if is_free:
            there.append(box)
