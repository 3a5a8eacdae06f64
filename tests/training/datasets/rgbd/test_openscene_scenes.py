"""OpenScene's processed scenes: tuples of torch, names, depth scales, and views of its four data sets."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset, BadLabels, LidarVlError
from offline_training.cli.main import main
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.rgbd.openscene import OpenSceneScenes, OpenSceneSource
from tests.written.rgbd_scenes import ROOM_M, K, frames, save, write_exported

MATTERPORT_21 = class_table("matterport21")
NUSCENES_16 = class_table("nuscenes16")

POINTS = 30


def points_m(count: int = POINTS) -> np.ndarray:
    """(N, 3) float64 on the walls of the room."""
    rng = np.random.default_rng(1)
    xyz_m = rng.uniform(0, 1, (count, 3)) * ROOM_M
    axis = rng.integers(0, 3, count)
    xyz_m[np.arange(count), axis] = rng.integers(0, 2, count) * ROOM_M[axis]
    return xyz_m


def write_pth(path: Path, *parts: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tuple(parts), path)
    return path


def write_scannet(folder: Path, count: int = POINTS) -> Path:
    labels = np.resize(np.array([0, 19, 255, -100]), count)
    colors = np.resize(np.array([-1.0, 0.0, 1.0]), (count, 3))
    write_pth(folder / "scannet_3d" / "train" / "scene0000_00_vh_clean_2.pth", points_m(count), colors, labels)
    write_exported(folder / "scannet_2d" / "scene0000_00")
    intrinsics = folder / "scannet_2d" / "scene0000_00" / "intrinsic"
    matrix = np.eye(4)
    matrix[:3, :3] = K
    np.savetxt(folder / "scannet_2d" / "intrinsics.txt", matrix)
    for path in intrinsics.glob("*"):
        path.unlink()
    return folder


def test_a_scene_has_points_colours_labels_and_views(tmp_path):
    sample = OpenSceneScenes(write_scannet(tmp_path))[0]
    assert sample.name == "scene0000_00"  # without the 15 characters that ScanNet's files have beside it
    assert np.allclose(sample.cloud.xyz_m, points_m(), atol=1e-6)
    assert sample.cloud.extra["rgb"][0].tolist() == [0, 128, 255]
    assert sample.class_id[:4].tolist() == [0, 19, 255, 255]
    assert len(sample.views) == 8
    assert sample.views[0].file == "scene0000_00/color/0.png"
    assert np.allclose(sample.views[0].camera.K, K)


@pytest.mark.parametrize("labels", ["int64", "int16", "uint8", "float64"])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_arrays_and_tensors_of_any_type_are_read(as_tensor, labels, tmp_path):
    parts = [points_m().astype(np.float32), np.zeros((POINTS, 3), np.float32), np.full(POINTS, 3, labels)]
    if as_tensor:
        parts = [torch.from_numpy(part) for part in parts]
    write_pth(tmp_path / "replica_3d" / "office0.pth", *parts)
    sample = OpenSceneScenes(tmp_path)[0]
    assert sample.name == "office0"
    assert set(sample.class_id) == {3}
    assert sample.cloud.xyz_m.dtype == np.float32


def test_files_written_with_an_older_numpy_are_read(tmp_path):
    path = write_pth(tmp_path / "replica_3d" / "office0.pth", points_m(), 0, np.zeros(POINTS, np.int64))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(b"cnumpy._core.", b"cnumpy.core."))
    assert any(b"cnumpy._core." in content for content in members.values())
    assert len(OpenSceneScenes(tmp_path)[0].cloud) == POINTS


def test_no_colours_are_the_number_0_and_hidden_labels_are_left_out(tmp_path):
    write_pth(tmp_path / "nuscenes_3d" / "val" / "a.pth", points_m(), 0, np.full(POINTS, 15))
    sample = OpenSceneScenes(tmp_path, classes=NUSCENES_16)[0]
    assert "rgb" not in sample.cloud.extra
    assert set(sample.class_id) == {15}
    write_pth(tmp_path / "nuscenes_3d" / "val" / "a.pth", points_m(), np.zeros((POINTS, 3)))
    hidden = OpenSceneScenes(tmp_path, classes=NUSCENES_16)[0]
    assert hidden.class_id is None
    assert (hidden.cloud.extra["rgb"] == 128).all()  # 127.5, to the even number


def test_splits_are_folders_and_scenes_have_names(tmp_path):
    for split, name in (("train", "a"), ("train", "b"), ("val", "c")):
        write_pth(tmp_path / "matterport_3d" / split / f"{name}_region0.pth", points_m(), 0, np.zeros(POINTS))

    def chosen(**values: object) -> list[str]:
        dataset = open_source(OpenSceneSource(folder=str(tmp_path), **values), MATTERPORT_21)
        return [dataset[index].name for index in range(len(dataset))]

    assert chosen() == ["a_region0", "b_region0", "c_region0"]
    assert chosen(split="val") == ["c_region0"]
    assert chosen(sequences=("b_region0",)) == ["b_region0"]
    assert OpenSceneScenes(tmp_path / "matterport_3d", ["val"], classes=MATTERPORT_21).scenes[0][0] == "c_region0"
    with pytest.raises(BadDataset, match="none for test"):
        chosen(split="test")


def _write_matterport(folder: Path) -> Path:
    """A building with views in two rooms; the second room lies 10 m away."""
    building = folder / "matterport_2d" / "17DRP5sb8fy"
    for number, (pose, rgb, depth) in enumerate(frames(4)):
        panorama = "aaaa" if number < 3 else "bbbb"
        name = f"{panorama}_i1_{number}"
        save(building / "color" / f"{name}.jpg", rgb)
        save(building / "depth" / f"{panorama}_d1_{number}.png", (4 * depth.astype(np.uint32)).astype(np.uint16))
        matrix = pose.matrix()
        matrix[0, 3] += 10.0 * (panorama == "bbbb")
        for kind, values in (("pose", matrix), ("intrinsic", K)):
            (building / kind).mkdir(exist_ok=True)
            np.savetxt(building / kind / f"{name}.txt", values)
    for region, shift_m in (("region0", 0.0), ("region1", 10.0), ("region2", 30.0)):
        xyz_m = points_m() + np.array([shift_m, 0, 0])
        write_pth(folder / "matterport_3d" / "test" / f"17DRP5sb8fy_{region}.pth", xyz_m, 0, np.full(POINTS, 20))
    return folder


@pytest.mark.parametrize("count", [40, 80, 160])
def test_scenes_with_the_longer_label_sets_of_matterport_are_read_with_the_same_images(count, tmp_path):
    _write_matterport(tmp_path)
    labels = np.resize(np.array([0, count - 1, 255]), POINTS)
    name = f"matterport_3d_{count}"
    path = write_pth(tmp_path / name / "test" / "17DRP5sb8fy_region0.pth", points_m(), 0, labels)
    table = class_table(f"matterport{count}")
    dataset = open_source(OpenSceneSource(folder=str(tmp_path / name), split="test"), table)
    assert dataset[0].class_id[:3].tolist() == [0, count - 1, 255]
    assert len(dataset[0].views) == 3
    with pytest.raises(BadDataset, match=rf"matterport_3d, {name}\. Point to one"):
        OpenSceneScenes(tmp_path, classes=table)
    write_pth(path, points_m(), 0, np.full(POINTS, count))
    with pytest.raises(BadLabels, match="expected label ids"):
        dataset[0]


def test_a_region_of_matterport_has_the_views_taken_in_it_else_the_nearest(tmp_path):
    dataset = OpenSceneScenes(_write_matterport(tmp_path), classes=MATTERPORT_21)
    names = [[view.name for view in dataset[index].views] for index in range(3)]
    assert names[0] == ["aaaa_i1_0", "aaaa_i1_1", "aaaa_i1_2"]
    assert names[1] == ["bbbb_i1_3"]
    assert names[2][0] == "bbbb_i1_3"
    assert len(names[2]) == 4
    view = dataset[0].views[0]
    assert np.allclose(view.camera.K, K)
    assert view.load_depth_m()[24, 32] == pytest.approx(2.0, abs=1e-3)  # 4000 units a metre


def test_replica_has_its_own_depth_scale(tmp_path):
    write_exported(tmp_path / "replica_2d" / "office0", 2, units_per_m=6553.5)
    write_pth(tmp_path / "replica_3d" / "office0.pth", points_m(), 0)
    assert OpenSceneScenes(tmp_path)[0].views[0].load_depth_m()[24, 32] == pytest.approx(2.0, abs=1e-3)


def test_nuscenes_scenes_have_arrays_for_poses_and_no_depth(tmp_path):
    scene = tmp_path / "nuscenes_2d" / "val" / "abc"
    for name, (pose, rgb, _) in zip(("back", "front_left"), frames(2), strict=True):
        save(scene / "color" / f"{name}.jpg", rgb)
        for kind, matrix in (("pose", pose.matrix()), ("K", K)):
            (scene / kind).mkdir(exist_ok=True)
            np.save(scene / kind / f"{name}.npy", matrix)
    write_pth(tmp_path / "nuscenes_3d" / "val" / "abc.pth", points_m(), 0, np.full(POINTS, 255))
    sample = OpenSceneScenes(tmp_path, classes=NUSCENES_16)[0]
    assert [view.name for view in sample.views] == ["back", "front_left"]
    assert all(view.load_depth_m is None for view in sample.views)
    assert sample.views[1].load_rgb().shape == (48, 64, 3)


class _Evil:
    def __reduce__(self) -> tuple:
        return (print, ("this must never run",))


DAMAGED = {
    "not torch's": (lambda p: p.write_bytes(b"nothing"), "expected a tuple of arrays saved by torch"),
    "cut": (lambda p: p.write_bytes(p.read_bytes()[:300]), "expected a tuple of arrays saved by torch"),
    "code inside": (lambda p: write_pth(p, points_m(), _Evil()), "holds more than arrays"),
    "a dictionary": (lambda p: torch.save({"coords": 1}, p), "found dict of 1"),
    "four parts": (lambda p: write_pth(p, points_m(), 0, 0, 0), "found tuple of 4"),
    "points in two columns": (lambda p: write_pth(p, np.zeros((4, 2)), 0), r"found points of shape \(4, 2\)"),
    "points of words": (lambda p: write_pth(p, "abc", 0), "among its parts"),
    "colours 0 to 255": (lambda p: write_pth(p, points_m(), np.full((POINTS, 3), 200.0)), "colours of shape"),
    "colours of nothing": (lambda p: write_pth(p, points_m(), np.full((POINTS, 3), np.nan)), "colours of shape"),
    "too few labels": (lambda p: write_pth(p, points_m(), 0, np.zeros(3)), r"found \(3,\) labels for 30 points"),
    "labels of other classes": (lambda p: write_pth(p, points_m(), 0, np.full(POINTS, 40)), r"found \[40\]"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_and_nothing_in_it_is_run(name, tmp_path, capsys):
    damage, told = DAMAGED[name]
    path = write_pth(tmp_path / "scannet_3d" / "val" / "scene0000_00_vh_clean_2.pth", points_m(), 0)
    damage(path)
    with pytest.raises(LidarVlError, match=told) as refusal:
        OpenSceneScenes(tmp_path)[0]
    assert isinstance(refusal.value, BadDataset | BadLabels)
    assert "never run" not in capsys.readouterr().out


def test_a_folder_of_no_or_of_two_data_sets_is_refused(tmp_path):
    with pytest.raises(BadDataset, match="expected one folder of scannet_3d"):
        OpenSceneScenes(tmp_path)
    for name in ("scannet_3d", "replica_3d"):
        (tmp_path / name).mkdir()
    with pytest.raises(BadDataset, match="found replica_3d, scannet_3d"):
        OpenSceneScenes(tmp_path)


def test_check_data_takes_the_classes_of_the_data_set(tmp_path, capsys):
    assert main(["check-data", "openscene", str(write_scannet(tmp_path, 20000))]) == 0
    out = capsys.readouterr().out
    assert "most in wall, otherfurniture" in out
    assert "split train: 1 scenes" in out
    assert "8 views, 0 left out" in out


def test_labels_are_class_ids_of_the_asked_table(tmp_path):
    write_pth(tmp_path / "scannet_3d" / "val" / "s_vh_clean_2.pth", points_m(), 0, np.full(POINTS, 19))
    assert set(OpenSceneScenes(tmp_path, classes=class_table("scannet20"))[0].class_id) == {19}
    with pytest.raises(BadLabels):
        OpenSceneScenes(tmp_path, classes=NUSCENES_16)[0]
