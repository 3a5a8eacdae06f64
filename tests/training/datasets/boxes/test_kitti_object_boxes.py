"""KITTI's boxes: in the scan's frame, with its levels of difficulty, among the points that the camera sees."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.boxes.points_in_boxes import count_points_in_boxes
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.cli.main import main
from offline_training.datasets.box_sources import open_boxes
from offline_training.datasets.boxes.kitti_object import KittiObjectBoxes
from offline_training.datasets.data_sources import data_source, open_source
from offline_training.datasets.lidar.kitti_object import KittiObject
from tests.recordings import recording
from tests.written.box_data_sets import KITTI_CAR, KITTI_DONT_CARE, write_kitti_object

KITTI_3 = class_table("kitti3")


def test_a_box_stands_where_its_line_says_and_holds_the_points_there(tmp_path):
    sample = KittiObjectBoxes(write_kitti_object(tmp_path, {"000000": [KITTI_CAR, KITTI_DONT_CARE]}))[0]
    assert_allclose(sample.boxes.boxes, [[10.0, 0.0, -0.95, 4.0, 1.6, 1.5, 0.0]], atol=1e-6)
    assert (sample.name, sample.boxes.class_id.tolist()) == ("training/000000", [KITTI_3.id_of("Car")])
    assert (len(sample.cloud), sample.point_count.tolist()) == (
        40,
        [40],
    )  # the 40 behind the sensor are not in the picture
    assert np.isnan(sample.boxes.velocity_mps).all()


def test_things_the_benchmark_does_not_ask_for_stay_as_boxes_of_no_class(tmp_path):
    van = KITTI_CAR.replace("Car", "Van")
    boxes = KittiObjectBoxes(write_kitti_object(tmp_path, {"000000": [van, KITTI_CAR]})).boxes(0)
    assert boxes.class_id.tolist() == [255, 0]


@pytest.mark.parametrize(
    ("truncated", "occluded", "height_px", "level"),
    [
        ("0.15", "0", 39, 0), ("0.16", "0", 60, 1), ("0.00", "1", 60, 1), ("0.00", "0", 38, 1), ("0.50", "2", 24, 2),
        ("0.31", "0", 60, 2), ("0.00", "2", 60, 2), ("0.00", "0", 23, -1), ("0.51", "0", 60, -1), ("0.00", "3", 60, -1),
    ],
)  # fmt: skip
def test_levels_of_difficulty_are_the_benchmarks(truncated, occluded, height_px, level, tmp_path):
    words = KITTI_CAR.split()
    words[1], words[2], words[7] = truncated, occluded, str(100.0 + height_px)
    assert KittiObjectBoxes(write_kitti_object(tmp_path, {"000000": [" ".join(words)]}))[0].difficulty.tolist() == [
        level
    ]


def test_lists_choose_scans_and_their_order(tmp_path):
    scans = {name: [KITTI_CAR] for name in ("000000", "000001", "000002")}
    folder = write_kitti_object(tmp_path, scans, {"train": ["000002", "000000"], "mine": ["000001"]})
    source = data_source({"kind": "kitti_object", "folder": str(folder), "split": "train"}, "here")
    opened = open_boxes(source, KITTI_3)
    assert [opened[index].name for index in range(len(opened))] == ["training/000002", "training/000000"]
    assert [scan.scan for scan in KittiObject(folder, ["mine"]).scans] == ["000001"]
    assert len(open_source(source, class_table("semantic_kitti19"))) == 2


def test_a_list_that_is_not_there_is_asked_for_by_name(tmp_path):
    folder = write_kitti_object(tmp_path, {"000000": [KITTI_CAR]})
    with pytest.raises(BadDataset, match=r"ImageSets/val\.txt, found: .* copy those of Chen et al\."):
        KittiObjectBoxes(folder, ["val"])
    write_kitti_object(tmp_path, {"000000": [KITTI_CAR]}, {"val": ["000000", "000007"]})
    with pytest.raises(BadDataset, match=r"val\.txt: .* 1 of 2 that are not there, '000007' in line 2"):
        KittiObjectBoxes(folder, ["val"])


def _cut_line(columns: slice) -> str:
    return " ".join(KITTI_CAR.split()[columns])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (_cut_line(slice(14)), r"000000\.txt, line 2: .* found 14"),
        (KITTI_CAR.replace("10.00", "nan"), r"000000\.txt, line 2: .*finite"),
        (KITTI_CAR.replace("10.00", "far"), r"000000\.txt, line 2: .*far"),
        (KITTI_CAR.replace("Car", "Horse"), r"000000\.txt, line 2: .*Horse"),
    ],
)
def test_a_wrong_line_of_labels_is_named_with_its_file(line, told, tmp_path, capsys):
    folder = write_kitti_object(tmp_path, {"000000": [KITTI_CAR, line]})
    with pytest.raises(BadDataset, match=f"training/000000: .*{told}") as found:
        KittiObjectBoxes(folder)[0]
    assert "\n" not in str(found.value)
    assert main(["check-data", "kitti_object", str(folder)]) == 2
    assert "wrong: training/000000" in capsys.readouterr().out


def test_predictions_are_not_taken_for_truth(tmp_path):
    folder = write_kitti_object(tmp_path, {"000000": [f"{KITTI_CAR} 0.87"]})
    with pytest.raises(BadDataset, match=r"label_2/000000\.txt: expected 15 columns, found a 16th"):
        KittiObjectBoxes(folder)[0]


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("calib/000000.txt", r"calibration .*calib/000000\.txt, found none"),
        ("image_2/000000.png", r"image .*image_2/000000\.png"),
        ("velodyne/000000.bin", r"velodyne/000000\.bin, found an empty file"),
        ("label_2/000000.txt", r"label_2/000000\.txt"),
    ],
)
def test_a_missing_file_is_named(file, told, tmp_path):
    data = KittiObjectBoxes(write_kitti_object(tmp_path, {"000000": [KITTI_CAR]}))
    path = tmp_path / "training" / file
    path.unlink()
    if path.suffix == ".bin":
        path.write_bytes(b"")
    with pytest.raises(BadDataset, match=told):
        data[0]


def test_a_scan_of_which_the_camera_sees_nothing_is_told(tmp_path):
    folder = write_kitti_object(tmp_path, {"000000": [KITTI_CAR]})
    np.array([[-10.0, 0.0, 0.0, 0.5]], np.float32).tofile(folder / "training" / "velodyne" / "000000.bin")
    with pytest.raises(BadDataset, match="training/000000: expected points, found an empty cloud"):
        KittiObjectBoxes(folder)[0]


def test_the_road_is_read_where_it_is_there(tmp_path):
    folder = write_kitti_object(tmp_path, {"000000": [KITTI_CAR]})
    assert KittiObjectBoxes(folder)[0].ground is None
    path = folder / "training" / "planes" / "000000.txt"
    path.parent.mkdir()
    for sign in (1, -1):  # 1.7 m below the camera, whose y points down; rising by 2 % along its z
        path.write_text(f"# Plane\nWidth 4\nHeight 1\n0 {-sign} {-0.02 * sign} {1.7 * sign}\n")
        assert_allclose(KittiObjectBoxes(folder)[0].ground, [-0.02, 0.0, 1.0, 1.7], atol=1e-12)
    for wrong in ("", "# Plane\nWidth 4\nHeight 1\n0 -1 0\n", "# Plane\nWidth 4\nHeight 1\n0 -1 nan 0\n"):
        path.write_text(wrong)
        with pytest.raises(BadDataset, match=r"planes/000000\.txt: expected"):
            KittiObjectBoxes(folder)[0]


def test_real_boxes_stand_on_the_road_of_their_scan(real_data):
    data = KittiObjectBoxes(recording(real_data, "kitti_object"))
    above_m = []
    for index in range(len(data)):
        sample = data[index]
        a, b, c, d = sample.ground
        x, y, z, _, _, height, _ = sample.boxes.boxes.T
        above_m.extend(z - height / 2 + (a * x + b * y + d) / c)
    assert np.abs(np.median(above_m)) < 0.15


def test_a_folder_without_boxes_is_told_and_its_scans_can_still_be_read(tmp_path, capsys):
    folder = write_kitti_object(tmp_path, {"000000": [KITTI_CAR]})
    (folder / "training" / "label_2" / "000000.txt").unlink()
    (folder / "training" / "label_2").rmdir()
    with pytest.raises(BadDataset, match="label_2: expected the boxes"):
        KittiObjectBoxes(folder)
    assert KittiObject(folder)[0].class_id is None
    assert main(["check-data", "kitti_object", str(folder)]) == 0
    assert "note: no boxes found" in capsys.readouterr().out


def test_more_sweeps_or_classes_than_there_are_is_refused(tmp_path):
    source = data_source(
        {"kind": "kitti_object", "folder": str(write_kitti_object(tmp_path, {"0": [KITTI_CAR]}))}, "here"
    )
    with pytest.raises(BadConfig, match="expected 1 to 1 sweeps"):
        open_boxes(source, KITTI_3, sweeps=10)
    with pytest.raises(BadConfig, match="expected classes of kitti3, found nuscenes10"):
        open_boxes(source, class_table("nuscenes10"))


def _seen_one_by_one(xyz_m: np.ndarray, scan, size_px: tuple[int, int]) -> np.ndarray:
    """OpenPCDet's cut in homogeneous coordinates, point by point, by the numbers as the file has them."""
    lines = {row.split(":")[0]: np.array(row.split(":")[1].split(), float)
             for row in (scan.part / "calib" / f"{scan.scan}.txt").read_text().splitlines() if row.strip()}  # fmt: skip
    P2, R0 = lines["P2"].reshape(3, 4), lines["R0_rect"].reshape(3, 3)
    seen = []
    for point in xyz_m.astype(float):
        rectified = R0 @ (lines["Tr_velo_to_cam"].reshape(3, 4) @ [*point, 1.0])
        u, v, w = P2 @ [*rectified, 1.0]
        inside = 0 <= u / rectified[2] < size_px[0] and 0 <= v / rectified[2] < size_px[1]
        seen.append(inside and w - P2[2, 3] >= 0)
    return np.array(seen)


def test_the_points_of_real_scans_are_cut_as_openpcdet_cuts_them(real_data):
    data = KittiObjectBoxes(recording(real_data, "kitti_object"), frames=["000008"])
    whole = data.scans[0].points()
    some = np.random.default_rng(0).choice(len(whole), 4000, replace=False)
    kept = {row.tobytes() for row in data[0].cloud.xyz_m}
    ours = np.array([row.tobytes() in kept for row in whole[some, :3]])
    slow = _seen_one_by_one(whole[some, :3], data.scans[0], (1242, 375))
    assert np.count_nonzero(ours != slow) <= 2  # their rotations are rounded to 7 digits
    assert slow.sum() > 300


def test_real_boxes_hold_the_points_that_were_counted_for_them(real_data):
    data = KittiObjectBoxes(recording(real_data, "kitti_object"))
    by_name = {scan.scan: index for index, scan in enumerate(data.scans)}
    boxes = data.boxes(by_name["000008"])
    whole = np.ascontiguousarray(data.scans[by_name["000008"]].points()[:, :3])
    assert_allclose(count_points_in_boxes(whole, boxes.boxes), [6237, 1940, 1041, 668, 53, 164], rtol=0.035)
    for scan, cars in (("000001", 1), ("000006", 4), ("000007", 3), ("000008", 6)):
        sample = data[by_name[scan]]
        assert np.count_nonzero(sample.boxes.class_id == KITTI_3.id_of("Car")) == cars
        assert (sample.point_count > 0).all()
    assert_array_equal(np.sort(data[by_name["000001"]].boxes.class_id), [0, 2, 255])  # car, cyclist, truck
