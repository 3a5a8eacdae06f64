"""SemanticKITTI as samples: recorded scans, and a tiny sequence in its format."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.lidar.semantic_kitti import SemanticKitti
from tests.recordings import recording

NUSCENES_16 = class_table("nuscenes16")

CALIB = """P0: 700 0 600 0 0 700 180 0 0 0 1 0
P2: 700 0 600 45 0 700 180 -0.3 0 0 1 0.005
Tr: 0 -1 0 0 0 0 -1 -0.08 1 0 0 -0.27
"""


def write_sequence(root, points, raw_labels=None, scan="000003", calib=CALIB):
    folder = root / "sequences" / "07"
    (folder / "velodyne").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "calib.txt").write_text(calib)
    np.asarray(points, np.float32).tofile(folder / "velodyne" / f"{scan}.bin")
    if raw_labels is not None:
        np.asarray(raw_labels, np.uint32).tofile(folder / "labels" / f"{scan}.label")
    return folder


def test_a_scan_comes_with_its_points_labels_and_time(tmp_path):
    write_sequence(tmp_path, [[1, 2, 3, 0.5], [4, 5, 6, 1.0]], [10 | 5 << 16, 99])
    sample = SemanticKitti(tmp_path)[0]
    assert_allclose(sample.cloud.xyz_m, [[1, 2, 3], [4, 5, 6]])
    assert sample.cloud.intensity.tolist() == [0.5, 1.0]
    assert (sample.name, sample.cloud.stamp_ns, sample.views) == ("07/000003", 300_000_000, ())
    assert sample.class_id.tolist() == [0, 255]


def test_a_times_file_gives_the_exact_stamp(tmp_path):
    folder = write_sequence(tmp_path, [[1, 2, 3, 0.5]])
    (folder / "times.txt").write_text("0.0\n1.036224e-01\n2.072e-01\n3.109e-01\n")
    assert SemanticKitti(tmp_path)[0].cloud.stamp_ns == 310_900_000


def test_a_scan_without_labels_has_none(tmp_path):
    write_sequence(tmp_path, [[1, 2, 3, 0.5]])
    assert SemanticKitti(tmp_path)[0].class_id is None


def test_the_image_projection_is_kittis_own_product_of_p2_and_tr(tmp_path):
    from PIL import Image

    folder = write_sequence(tmp_path, [[12, 2, -1, 0.5], [20, -3, 1, 0.5]])
    (folder / "image_2").mkdir()
    Image.new("RGB", (1200, 370)).save(folder / "image_2" / "000003.png")
    sample = SemanticKitti(tmp_path)[0]
    view = sample.views[0]
    uv_px, _, visible = view.camera.project(view.T_cam_lidar.apply(sample.cloud.xyz_m))
    rows = {
        line.split(":")[0]: np.array(line.split(":")[1].split(), float).reshape(3, 4) for line in CALIB.splitlines()
    }
    homogeneous = np.hstack([sample.cloud.xyz_m, np.ones((2, 1))])
    uvw = np.hstack([homogeneous @ rows["Tr"].T, np.ones((2, 1))]) @ rows["P2"].T
    assert_allclose(uv_px, uvw[:, :2] / uvw[:, 2:], atol=1e-4)
    assert visible.all()
    assert view.load_rgb().shape == (370, 1200, 3)


def test_poses_are_turned_from_camera_0_into_the_lidars_frame(tmp_path):
    folder = write_sequence(tmp_path, [[1, 2, 3, 0.5]], scan="000001")
    straight_on = "1 0 0 0 0 1 0 0 0 0 1 "  # camera 0's z is forward
    (folder / "poses.txt").write_text(straight_on + "0\n" + straight_on + "4.5\n")
    assert_allclose(SemanticKitti(tmp_path).T_world_lidar(0).translation_m, (4.5, 0, 0), atol=1e-9)
    (folder / "poses.txt").write_text(straight_on + "0\n")
    with pytest.raises(BadDataset, match="row 1"):
        SemanticKitti(tmp_path).T_world_lidar(0)


@pytest.fixture(scope="module")
def recorded(test_data):
    return recording(test_data, "semantickitti")


def test_a_real_scan_has_its_published_label_counts_and_points_in_the_picture(real_data):
    sample = SemanticKitti(recording(real_data, "semantickitti"), sequences=["00"], frames=["000000"])[0]
    count = dict(
        zip(class_table("semantic_kitti19").names, np.bincount(sample.class_id, minlength=256)[:19], strict=True)
    )
    assert len(sample.cloud) == 124_668
    # Histogram of the raw ids as counted by another reader: 10; 40 + 60; 72; 255.
    assert (count["car"], count["road"], count["terrain"], count["motorcyclist"]) == (4234, 34228 + 1053, 2964, 88)
    assert (sample.class_id == 255).sum() == 2184 + 4 + 1471 + 1227
    view = sample.views[0]
    assert 18_000 < view.camera.project(view.T_cam_lidar.apply(sample.cloud.xyz_m))[2].sum() < 21_000


def test_labels_lie_on_what_the_image_shows(recorded):
    sample = SemanticKitti(recorded, frames=["000000"], classes=NUSCENES_16)[0]
    view = sample.views[0]
    uv_px, _, visible = view.camera.project(view.T_cam_lidar.apply(sample.cloud.xyz_m))
    assert 0.05 < visible.mean() < 0.25
    road = visible & (sample.class_id == NUSCENES_16.id_of("driveable_surface"))
    trees = visible & (sample.class_id == NUSCENES_16.id_of("vegetation"))
    rgb = view.load_rgb().astype(float)

    def colours(points):
        column, row = np.rint(uv_px[points]).astype(int).T
        return rgb[row, column]

    assert np.median(uv_px[road, 1]) > np.median(uv_px[trees, 1])
    assert np.diff(colours(trees)[:, 1:]).mean() < np.diff(colours(road)[:, 1:]).mean()  # leaves: less blue than green


def test_asking_for_what_is_not_there_names_the_folder(recorded, tmp_path):
    for arguments in ({"folder": tmp_path}, {"folder": recorded, "frames": ["999999"]}):
        with pytest.raises(BadDataset, match="sequences"):
            SemanticKitti(**arguments)
    with pytest.raises(BadDataset, match="77"):
        SemanticKitti(recorded, sequences=["77"])
