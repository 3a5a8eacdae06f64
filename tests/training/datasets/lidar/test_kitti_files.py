"""KITTI's layout as people bring it: scans of any name, strays beside them, and every form of its calibration."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.cli.main import main
from offline_training.datasets.data_sources import data_source, open_source
from offline_training.datasets.lidar.semantic_kitti import SemanticKitti
from offline_training.datasets.lidar.synlidar import SPEC as SYNLIDAR
from tests.written.lidar_data_sets import write_kitti_like

P2 = "700 0 31.5 45 0 700 23.5 -0.3 0 0 1 0.005"
TURN = "0 -1 0 0 0 -1 1 0 0"  # of the LiDAR's axes into the camera's
TR = "0 -1 0 0.01 0 0 -1 -0.08 1 0 0 -0.27"
RECTIFYING = "0.99999 0.00447 0 -0.00447 0.99999 0 0 0 1"


def sequence(root: Path, *scans: str, labels: bool = True) -> Path:
    """sequences/00 with scans whose first point lies at x = 1, 2, ... in the order of the names given."""
    folder = root / "sequences" / "00"
    for name in ("velodyne", "labels"):
        (folder / name).mkdir(parents=True)
    for place, scan in enumerate(scans):
        np.full((3, 4), place + 1, np.float32).tofile(folder / "velodyne" / f"{scan}.bin")
        if labels:
            np.full(3, 40, np.uint32).tofile(folder / "labels" / f"{scan}.label")
    return folder


@pytest.mark.parametrize(
    ("scans", "stamps_s"),
    [
        (("000003", "000010"), (0.3, 1.0)),  # frames of KITTI, some left out
        (("0000000007", "0000000008"), (0.7, 0.8)),  # of a raw recording
        (("2", "10"), (0.2, 1.0)),
        (("frame_2", "frame_10", "frame_11"), (0.0, 0.1, 0.2)),
        (("1574393211123456789", "1574393211223456789"), (0.0, 0.1)),  # times in nanoseconds are no places
        (("000000", "extra"), (0.0, 0.1)),
        (("1", "01"), (0.1, 0.0)),  # one number twice is none
        (("n015-2018-07-24__LIDAR_TOP__1532402927647951", "n015-2018-07-24__LIDAR_TOP__1532402928147847"), (0.0, 0.1)),
    ],
)
def test_scans_have_their_order_and_their_time_from_any_names(scans, stamps_s, tmp_path):
    sequence(tmp_path, *scans)
    samples = {sample.name: sample for sample in SemanticKitti(tmp_path)}
    assert_allclose([samples[f"00/{scan}"].cloud.stamp_ns / 1e9 for scan in scans], stamps_s)
    assert [samples[f"00/{scan}"].cloud.xyz_m[0, 0] for scan in scans] == list(range(1, len(scans) + 1))
    assert all((sample.class_id == 8).all() for sample in samples.values())  # road


def test_times_and_poses_of_scans_without_numbers_belong_to_them_by_order_only_where_they_are_as_many(tmp_path):
    folder = sequence(tmp_path, "a", "b")
    (folder / "calib.txt").write_text(f"Tr: {TR}\n")
    straight_on = "1 0 0 0 0 1 0 0 0 0 1 "
    (folder / "times.txt").write_text("0.5\n0.75\n")
    (folder / "poses.txt").write_text(f"{straight_on}0\n{straight_on}4.5\n")
    scans = SemanticKitti(tmp_path)
    assert scans[1].cloud.stamp_ns == 750_000_000
    assert_allclose(scans.T_world_lidar(1).translation_m, (4.5, 0, 0), atol=1e-9)
    (folder / "times.txt").write_text("0.5\n0.75\n1.0\n")
    (folder / "poses.txt").write_text(f"{straight_on}0\n" * 3)
    with pytest.raises(BadDataset, match="a row for each of the 2 scans, found 3"):
        scans[1]
    with pytest.raises(BadDataset, match="a row for each of the 2 scans, found 3"):
        scans.T_world_lidar(1)


def test_strays_beside_the_scans_are_neither_read_nor_counted(tmp_path, capsys):
    folder = sequence(tmp_path, "000000")
    for stray in ("velodyne/._000000.bin", "velodyne/readme.txt", "velodyne/.DS_Store", "labels/._000000.label"):
        (folder / stray).write_bytes(b"stray")
    (folder / "velodyne" / "old.bin").mkdir()
    assert main(["check-data", "semantic_kitti", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "00: scans 1, labels 1" in out
    assert out.count("points, 100.0 % with a return") == 1


@pytest.mark.parametrize(
    ("folder", "name", "told"),
    [
        ("velodyne", "000000.BIN", "only 000000.BIN in velodyne"),
        ("velodyne", "000000.pcd", "only 000000.pcd in velodyne"),
        ("velodyne", "n015__LIDAR_TOP__15.pcd.bin", "nuScenes' scans of 5"),
    ],
)
def test_files_that_are_no_scans_are_named(folder, name, told, tmp_path, capsys):
    (sequence(tmp_path) / folder / name).write_bytes(bytes(80))
    assert main(["check-data", "semantic_kitti", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("label", ["000000.label", "frame_1.txt", "frame_1.bin"])
def test_labels_of_other_names_are_never_passed_over(label, tmp_path):
    folder = sequence(tmp_path, "frame_1", labels=False)
    np.full(3, 40, np.uint32).tofile(folder / "labels" / label)
    with pytest.raises(
        BadDataset, match=rf"labels: expected labels named as the scans, such as frame_1\.label, found {label}"
    ):
        SemanticKitti(tmp_path)
    raw = write_kitti_like(tmp_path / "synlidar" / "00", [2]) / "labels"
    for path in list(raw.iterdir()):
        path.rename(raw / f"of_{path.name}")
    with pytest.raises(BadDataset, match=r"found of_\w+\.label"):
        open_source(
            data_source({"kind": "synlidar", "folder": str(tmp_path / "synlidar")}, "test"),
            class_table(SYNLIDAR.classes[0]),
        )


CALIBRATIONS = {
    "odometry": ({"calib.txt": f"P0: {P2}\nP2: {P2}\nTr: {TR}\n"}, None),
    "object": ({"calib/a.txt": f"P2: {P2}\nR0_rect: {RECTIFYING}\nTr_velo_to_cam: {TR}\nTr_imu_to_velo: {TR}\n\n"}, RECTIFYING),
    "object of the sequence": ({"calib.txt": f"P2: {P2}\nR0_rect: {RECTIFYING}\nTr_velo_to_cam: {TR}\n"}, RECTIFYING),
    "tracking": ({"calib.txt": f"P2: {P2}\nR_rect {RECTIFYING}\nTr_velo_cam {TR}\n"}, RECTIFYING),
    "raw": (
        {
            "calib_cam_to_cam.txt": f"calib_time: 09-Jan-2012 13:57:47\nP_rect_02: {P2}\nR_00: {TURN}\nT_00: 0 0 0\nR_rect_00: {RECTIFYING}\n",
            "calib_velo_to_cam.txt": f"calib_time: 15-Mar-2012 11:37:16\nR: {TURN}\nT: 0.01 -0.08 -0.27\n",
        },
        RECTIFYING,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CALIBRATIONS)
def test_every_form_of_kittis_calibration_puts_a_point_on_its_pixel(kind, tmp_path):
    files, rectifying = CALIBRATIONS[kind]
    folder = sequence(tmp_path, "a")
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "image_2").mkdir()
    Image.new("RGB", (64, 48)).save(folder / "image_2" / "a.png")
    view = SemanticKitti(tmp_path)[0].views[0]
    xyz_m = np.array([[12.0, 0.2, -0.1]])
    in_camera = np.append(xyz_m[0], 1.0) @ np.array(TR.split(), float).reshape(3, 4).T
    if rectifying is not None:
        in_camera = np.array(rectifying.split(), float).reshape(3, 3) @ in_camera
    u, v, w = np.array(P2.split(), float).reshape(3, 4) @ np.append(in_camera, 1.0)
    assert_allclose(view.camera.project(view.T_cam_lidar.apply(xyz_m))[0], [[u / w, v / w]], atol=0.01)


@pytest.mark.parametrize(
    ("calib", "told"),
    [
        (f"P0: {P2}\nP2: {P2}\n", "expected Tr, or .*found P0, P2"),
        (f"P2: {P2}\nTr_velo_to_cam: {TR}\n", "with R0_rect"),
        (f"P2: {P2}\nR0_rect: 1 2\nTr_velo_to_cam: {TR}\n", "R0_rect: expected 9 numbers"),
        (f"Tr: {TR}\n", "expected P2"),
        ("", "no line of a calibration"),
    ],
)
def test_a_calibration_must_be_whole_only_where_pictures_or_poses_need_it(calib, told, tmp_path):
    folder = sequence(tmp_path, "000000")
    (folder / "calib.txt").write_text(calib)
    scans = SemanticKitti(tmp_path)
    assert len(scans[0].cloud) == 3
    (folder / "image_2").mkdir()
    Image.new("RGB", (64, 48)).save(folder / "image_2" / "000000.png")
    with pytest.raises(BadDataset, match=rf"calib\.txt: .*{told}"):
        SemanticKitti(tmp_path)
