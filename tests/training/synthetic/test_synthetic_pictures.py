"""Synthetic samples with pictures: six views, their true classes, and poses, from the cache as they were made."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.cameras.pairing import ZBuffer
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig, BadDataset

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.datasets.data_sources import open_source
from offline_training.datasets.lidar.files.synthetic_pictures import PictureSpec
from offline_training.datasets.lidar.synthetic_streets import SyntheticDataset, SyntheticSource
from offline_training.pretraining.views.paired_scan import pair_scan
from offline_training.pretraining.views.posed_source import PosedSource, neighbour
from offline_training.synthetic.sensors.camera import RING
from offline_training.synthetic.sensors.lidar_spec import LidarSpec
from tests.training.synthetic.kept_streets import scene, world

SMALL = LidarSpec("small", tuple(np.linspace(-25, 5, 16)), 600)


@pytest.fixture(scope="module", autouse=True)
def _kept_streets():
    """Building a street and its rays takes seconds: all tests share one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("offline_training.synthetic.streets.layout.build_world", world)
        patch.setattr("offline_training.synthetic.sensors.scene.Scene", lambda _: scene(5))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory, _kept_streets) -> Path:
    """A cache with two frames of one street and their pictures."""
    path = tmp_path_factory.mktemp("synthetic")
    SyntheticDataset([5], 2, path, SMALL, pictures=PictureSpec(128)).prepare()
    return path


@pytest.fixture
def copied(folder, tmp_path) -> Path:
    """The same, to be damaged."""
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture
def data(folder) -> SyntheticDataset:
    return SyntheticDataset([5], 2, folder, SMALL, pictures=PictureSpec(128))


def test_a_sample_has_six_pictures_with_true_classes(data):
    sample = data[1]
    assert [view.name for view in sample.views] == [mount.name for mount in RING]
    for view, (rgb, class_id) in zip(sample.views, data.pictures_with_classes(1), strict=True):
        assert rgb.shape == (72, 128, 3)
        assert_array_equal(view.load_rgb(), rgb)
        assert_array_equal(data.true_class_image(view), class_id)
        assert class_id.shape == (72, 128)
        assert class_id.dtype == np.uint8
        assert set(np.unique(class_id)) <= {*range(16), 255}
        assert view.read_bytes()[:3] == b"\xff\xd8\xff"
        assert view.file.endswith(f"/{view.name}.jpg")


def test_pixels_have_the_class_of_the_points_that_fall_on_them(data):
    scan = pair_scan(data[1], data.true_class_image, occlusion=ZBuffer(cell_px=2))
    assert (scan.pairs_per_image() > 200).all()
    known = scan.weak_class != 255
    assert known.mean() > 0.97
    # Pixels at 128 px are coarse, and the cameras look past what hides from the LiDAR.
    assert (scan.weak_class == scan.class_id[scan.point_index])[known].mean() > 0.93


def test_views_alone_are_those_of_the_sample_and_stand_where_the_vehicle_was(data):
    for view, same in zip(data.views(1), data[1].views, strict=True):
        assert view.file == same.file
        assert_array_equal(view.T_cam_lidar.matrix(), same.T_cam_lidar.matrix())
        assert data[1].cloud.stamp_ns - 100_000_000 <= view.stamp_ns <= data[1].cloud.stamp_ns
    back, front = (next(view for view in data.views(1) if view.name == name) for name in ("back", "front"))
    assert back.stamp_ns == data[1].cloud.stamp_ns
    # The picture of the front camera is half a turn older: the vehicle has moved on since.
    moved_m = (world(5).ego_pose(1.15).inverse() @ world(5).ego_pose(1.2)).translation_m
    ahead = front.T_cam_lidar.apply(np.array([[10.0, 0.0, 0.0]]))[0, 2]
    assert_allclose(ahead, 10.0 + SMALL.forward_m - 1.70 + moved_m[0], atol=0.02)


def test_cached_sweeps_serve_with_and_without_pictures(folder, data, monkeypatch):
    def never(_):
        raise AssertionError("the street was built again")

    monkeypatch.setattr("offline_training.synthetic.streets.layout.build_world", never)
    plain = SyntheticDataset([5], 2, folder, SMALL)
    assert plain[0].views == ()
    assert_array_equal(plain[0].cloud.xyz_m, data[0].cloud.xyz_m)
    assert len(list(folder.glob("*.npz"))) == 2


def test_pictures_are_added_to_sweeps_that_are_there(copied):
    sweeps = sorted(copied.glob("*.npz"))
    before = [path.stat().st_mtime_ns for path in sweeps]
    data = SyntheticDataset([5], 2, copied, SMALL, pictures=PictureSpec(64))
    assert data[0].views[0].load_rgb().shape == (36, 64, 3)
    assert sorted(copied.glob("*.npz")) == sweeps
    assert [path.stat().st_mtime_ns for path in sweeps] == before
    assert len([path for path in copied.iterdir() if path.is_dir()]) == 4


def test_pictures_half_made_are_made_again(copied):
    data = SyntheticDataset([5], 2, copied, SMALL, pictures=PictureSpec(128))
    whole = [view.read_bytes() for view in data.views(0)]
    pictures = _folder_of_frame(copied, 0)
    (pictures / "cameras.npz").unlink()  # written last: a killed process leaves this
    (pictures / "back.jpg").write_bytes(b"")
    assert [view.read_bytes() for view in data.views(0)] == whole


def _folder_of_frame(folder: Path, frame: int) -> Path:
    return next(path for path in folder.glob(f"00005_{frame:03d}_*") if path.is_dir())


def test_poses_are_those_of_the_street_with_and_without_pictures(folder, data):
    plain = SyntheticDataset([5], 2, folder, SMALL)
    for index in range(2):
        expected = world(5).ego_pose(1.2 * index) @ SMALL.T_base_lidar()
        assert_allclose(data.T_world_lidar(index).matrix(), expected.matrix(), atol=1e-9)
        assert_allclose(plain.T_world_lidar(index).matrix(), expected.matrix(), atol=1e-9)
    assert isinstance(data, PosedSource)
    assert neighbour(data, 0).sample.name == data[1].name


@pytest.mark.parametrize("damage", ["cameras.npz", "front.jpg", "front.png"])
def test_a_damaged_picture_folder_is_named(copied, damage):
    pictures = _folder_of_frame(copied, 0)
    (pictures / damage).write_bytes((pictures / damage).read_bytes()[:40])
    with pytest.raises(BadDataset, match=pictures.name):
        list(SyntheticDataset([5], 2, copied, SMALL, pictures=PictureSpec(128)).pictures_with_classes(0))


@pytest.mark.parametrize("width", [0, 31, 5000])
def test_widths_of_no_use_are_refused(width):
    with pytest.raises(BadConfig, match="image width"):
        PictureSpec(width)


def test_a_source_of_a_run_gives_pictures_when_it_names_their_width(tmp_path):
    source = SyntheticSource(folder=str(tmp_path), first_seed=5, frames_per_street=1, lidar="vlp16", image_width=32)
    assert len(open_source(source, class_table("nuscenes16"))[0].views) == 6
