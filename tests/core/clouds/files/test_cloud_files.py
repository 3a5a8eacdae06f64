"""Single cloud files of each kind, real and damaged, and labelled clouds written beside them."""

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.clouds.cloud_files import read_cloud, write_labelled_cloud
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCloudFile, BadPointCloud, BadRequest
from tests.recordings import recording, recordings


def points(count, columns=4, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (count, columns)).astype(np.float32)


@pytest.mark.parametrize("name", ["xyz_m", "xyz", "points"])
def test_an_npz_is_read_under_each_name(tmp_path, name):
    cloud = points(9)
    np.savez(tmp_path / "a.npz", **{name: cloud[:, :3]}, intensity=cloud[:, 3], ring=np.arange(9), other=np.zeros(4))
    read = read_cloud(tmp_path / "a.npz")
    assert_array_equal(read.xyz_m, cloud[:, :3])
    assert_array_equal(read.intensity, cloud[:, 3])
    assert list(read.extra) == ["ring"]


def test_a_fourth_column_of_points_is_the_intensity(tmp_path):
    cloud = points(9)
    np.savez(tmp_path / "a.npz", points=cloud)
    assert_array_equal(read_cloud(tmp_path / "a.npz").intensity, cloud[:, 3])


def test_an_intensity_of_one_column_is_the_intensity(tmp_path):
    np.savez(tmp_path / "a.npz", xyz=np.ones((9, 3)), intensity=np.full((9, 1), 0.5))
    assert_allclose(read_cloud(tmp_path / "a.npz").intensity, 0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_an_npy_holds_points_with_or_without_intensity(tmp_path, dtype):
    table = np.arange(1, 41).reshape(10, 4).astype(dtype)
    np.save(tmp_path / "a.npy", table)
    cloud = read_cloud(tmp_path / "a.npy")
    assert_allclose(cloud.xyz_m, table[:, :3])
    assert_allclose(cloud.intensity, table[:, 3] / 255)


def test_a_raw_signal_of_16_bits_that_is_dark_is_told_with_what_to_do(tmp_path):
    np.savez(tmp_path / "a.npz", xyz=np.ones((100, 3)), intensity=np.linspace(1, 4000, 100).astype(np.uint16))
    with pytest.warns(UserWarning, match="dark for a network. Give --intensity-max"):
        read_cloud(tmp_path / "a.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_cloud(tmp_path / "a.npz", intensity_max=4000).intensity.max() == 1.0


@pytest.mark.parametrize("full_scale", [None, 255.0])
def test_negative_intensities_are_told_as_those_of_uint8_stored_in_int8(tmp_path, full_scale):
    np.savez(tmp_path / "a.npz", xyz=np.ones((100, 3)), intensity=np.arange(100, 200).astype(np.uint8).view(np.int8))
    with pytest.warns(UserWarning, match="72 % of the first values are negative and become 0. .*, 8 bits as uint8"):
        read_cloud(tmp_path / "a.npz", intensity_max=full_scale)


def test_a_range_image_becomes_rows_of_points_and_its_empty_cells_no_points(tmp_path):
    image = points(12, 3).reshape(3, 4, 3) + 1
    image[1, 2] = 0
    np.savez(tmp_path / "a.npz", xyz=image, intensity=np.ones((3, 4)), label=np.arange(12).reshape(3, 4))
    read = read_cloud(tmp_path / "a.npz")
    assert_array_equal(np.flatnonzero(~read.has_return()), [6])
    assert_array_equal(read.xyz_m[4:6], image[1, :2])
    assert_array_equal(read.extra["label"], np.arange(12))


def test_world_coordinates_are_brought_into_the_sensor_frame(tmp_path):
    (tmp_path / "lidar").mkdir()
    np.savez(tmp_path / "lidar/07.npz", xyz_world=np.array([[10.0, 20.0, 1.0], [10.0, 21.0, 1.0]], np.float32))
    turn = {"w": np.sqrt(0.5), "x": 0.0, "y": 0.0, "z": np.sqrt(0.5)}  # the sensor's x axis shows along world y
    pose = {"position": {"x": 10.0, "y": 20.0, "z": 0.0}, "heading": turn}
    (tmp_path / "meta.json").write_text(json.dumps({"frames": {"07": {"lidar_pose_world": pose}}}))
    assert_allclose(read_cloud(tmp_path / "lidar/07.npz").xyz_m, [[0, 0, 1], [1, 0, 1]], atol=1e-5)


@pytest.mark.parametrize(
    "meta", [None, "{", "[]", '{"frames": {}}', '{"frames": {"07": {"lidar_pose_world": {"position": 3}}}}']
)
def test_world_coordinates_without_a_pose_are_refused(tmp_path, meta):
    (tmp_path / "lidar").mkdir()
    np.savez(tmp_path / "lidar/07.npz", xyz_world=points(3, 3))
    if meta is not None:
        (tmp_path / "meta.json").write_text(meta)
    with pytest.raises(BadCloudFile, match=r"expected the LiDAR's pose in .*meta.json because"):
        read_cloud(tmp_path / "lidar/07.npz")


def npz_with(tmp_path, **arrays):
    np.savez(tmp_path / "made.npz", **arrays)
    return (tmp_path / "made.npz").read_bytes()


BAD_FILES = {
    "missing.bin": (None, "expected a readable file"),
    "empty.bin": (b"", "expected a file of 1 to"),
    "odd.bin": (b"\0" * 17, "expected float32 numbers of 4 bytes, found 17 bytes"),
    "odd.pcd.bin": (b"\0" * 32, r"expected points of 20 bytes \(5 float32 columns\), found 32"),
    "text.bin": (b"these are words, and no numbers " * 10, "expected float32 coordinates in metres"),
    "nan.bin": (np.full(16, np.nan, np.float32).tobytes(), "expected float32 coordinates in metres"),
    "text.npz": (b"PK no zip", "expected an .npz of plain arrays"),
    "cloud.las": (
        b"LASF",
        "expected a name ending in .bin, .pcd.bin, .pcd, .ply, .npz, .npy, found .las. Convert it to .ply",
    ),
    "cloud.csv": (b"x,y,z", r"found .csv. Read its columns in Python and save them: np.savez"),
    "cloud.bin.gz": (b"\x1f\x8b", "found .gz. Unpack it"),
    "pickled.npy": (b"\x80\x04N.", "expected an .npy of a plain array"),
    "noname": (b"x", "found none"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_cloud_is_refused_with_what_to_do(tmp_path, name):
    content, message = BAD_FILES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadCloudFile, match=message):
        read_cloud(tmp_path / name)


@pytest.mark.parametrize("name", ["a.bin", "velodyne"])
def test_a_folder_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(BadCloudFile, match=r"found no regular file but a folder. Give one of its files"):
        read_cloud(tmp_path / name)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"depth": np.zeros(3)}, "expected xyz_m, xyz, points, xyz_world, found depth"),
        ({"xyz": np.zeros((3, 2))}, r"xyz: expected \(N, 3\) or \(H, W, 3\) numbers"),
        ({"xyz": np.zeros((2, 2, 2, 3))}, r"xyz: expected"),
        (
            {"points": np.zeros((4, 50))},
            r"points: expected x, y and z last, .*, found \(4, 50\). Save it with its axes",
        ),
        ({"xyz": np.zeros((3, 64, 100))}, r"xyz: expected x, y and z last, .*, found \(3, 64, 100\)"),
        ({"xyz": np.array([["a"] * 3])}, "xyz: expected"),
        ({"xyz": np.array([[{}] * 3])}, "expected an .npz of plain arrays"),
    ],
)
def test_an_npz_of_something_else_is_refused_and_never_unpickled(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(BadCloudFile, match=message):
        read_cloud(tmp_path / "a.npz")


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_cut_npz_is_refused(tmp_path, share):
    content = npz_with(tmp_path, xyz=points(50, 3))
    (tmp_path / "a.npz").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadCloudFile, match="plain arrays"):
        read_cloud(tmp_path / "a.npz")


def test_a_flipped_bit_in_an_npz_is_noticed(tmp_path):
    content = bytearray(npz_with(tmp_path, xyz=points(50, 3)))
    content[len(content) // 2] ^= 4
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(BadCloudFile, match="plain arrays"):
        read_cloud(tmp_path / "a.npz")


def labelled(count=6):
    cloud = PointCloud(points(count, 3), points(count, 1)[:, 0], 5, "lidar")
    return cloud, SimpleNamespace(class_id=np.arange(count, dtype=np.uint8), probability=points(count, 1, 2)[:, 0])


@pytest.mark.parametrize("suffix", [".npz", ".pcd"])
@pytest.mark.parametrize("count", [0, 1, 6])
def test_a_labelled_cloud_is_read_back_as_written(tmp_path, suffix, count):
    cloud, labels = labelled(count)
    write_labelled_cloud(tmp_path / f"a{suffix}", cloud, labels)
    read = read_cloud(tmp_path / f"a{suffix}")
    assert_array_equal(read.xyz_m, cloud.xyz_m)
    assert_array_equal(read.intensity, cloud.intensity)
    assert_array_equal(read.extra["class_id"], labels.class_id)
    assert_array_equal(read.extra["probability"], labels.probability)


def test_a_label_file_holds_one_uint32_per_point(tmp_path):
    cloud, labels = labelled()
    write_labelled_cloud(tmp_path / "a.label", cloud, labels)
    assert_array_equal(np.fromfile(tmp_path / "a.label", "<u4"), labels.class_id)


def test_nothing_is_written_under_an_unknown_name_or_with_wrong_labels(tmp_path):
    cloud, labels = labelled()
    with pytest.raises(BadRequest, match=r"expected a name ending in .npz, .pcd, .ply, .label, found .las"):
        write_labelled_cloud(tmp_path / "a.las", cloud, labels)
    labels.class_id = labels.class_id[:-1]
    with pytest.raises(BadPointCloud, match="class_id"):
        write_labelled_cloud(tmp_path / "a.npz", cloud, labels)
    assert list(tmp_path.iterdir()) == []


RECORDED = (
    "nuscenes_*/*.pcd.bin", "semantickitti/sequences/00/velodyne/000000.bin", "calib*/1/calib.pcd", "bags/*_vlp16/*.pcd",
    "pandaset_*/lidar/00.npz", "rangeimage_labelled/nuscenes_*/000000.npz",
)  # fmt: skip


@pytest.mark.parametrize("path", recordings(*RECORDED))
def test_recorded_files_hold_points_around_their_sensor(path):
    cloud = read_cloud(path)
    distance_m = np.linalg.norm(cloud.xyz_m[cloud.has_return()], axis=1)
    assert 1 < np.median(distance_m) < 30
    assert distance_m.max() < 400
    assert 0 <= cloud.intensity.min() < cloud.intensity.max() <= 1


PUBLISHED = {
    "nuscenes_scene-0061_ca9a282c/*.pcd.bin": 34688,
    "semantickitti/sequences/00/velodyne/000000.bin": 124668,
    "calibanything_st/1/calib.pcd": 101340,
    "bags/nebula_vlp16/*.pcd": 14831,
    "rangeimage_labelled/nuscenes_train/000000.npz": 32 * 1024,
}


@pytest.mark.parametrize("pattern", PUBLISHED)
def test_real_files_hold_the_points_that_others_counted(real_data, pattern):
    assert len(read_cloud(recording(real_data, pattern))) == PUBLISHED[pattern]
