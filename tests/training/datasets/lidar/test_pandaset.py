"""PandaSet as samples: recorded frames, and a tiny sequence written here in its format."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from lidar_vl_core.cameras.pairing import point_pixel_pairs
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.cli.main import main
from offline_training.datasets.lidar.pandaset import PANDAR64, PANDAR_GT, PandaSet
from tests.recordings import recording

NUSCENES_16 = class_table("nuscenes16")

UPRIGHT = {"w": 1.0, "x": 0.0, "y": 0.0, "z": 0.0}
HALF = float(np.sqrt(0.5))
LOOKING_ALONG_Y = {"w": HALF, "x": -HALF, "y": 0.0, "z": 0.0}  # optical z = world y, optical y = world -z


def write_sequence(folder, xyz_world, label, sensor=None):
    """One frame "00" with one camera at the ego position (10, 20, 0) in the world."""
    (folder / "lidar").mkdir(parents=True)
    (folder / "camera" / "front_camera").mkdir(parents=True)
    count = len(xyz_world)
    np.savez(
        folder / "lidar" / "00.npz",
        xyz_world=np.asarray(xyz_world, np.float32),
        intensity=np.full(count, 51, np.uint8),
        t=np.zeros(count, np.float32),
        sensor=np.zeros(count, np.uint8) if sensor is None else np.asarray(sensor, np.uint8),
        label=np.asarray(label, np.uint8),
    )
    Image.new("RGB", (64, 48), (10, 20, 30)).save(folder / "camera" / "front_camera" / "00.jpg")
    position = {"x": 10.0, "y": 20.0, "z": 0.0}
    shot = {"timestamp": 4.95, "pose_world": {"position": position, "heading": LOOKING_ALONG_Y}}
    meta = {
        "frames": {
            "00": {
                "lidar_timestamp": 5.0,
                "lidar_pose_world": {"position": position, "heading": UPRIGHT},
                "cameras": {"front_camera": shot},
            }
        },
        "cameras": {
            "front_camera": {"intrinsics": {"fx": 40.0, "fy": 40.0, "cx": 31.5, "cy": 23.5}, "width": 64, "height": 48}
        },
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def test_points_come_with_x_forward_y_left_and_the_camera_sees_them(tmp_path):
    # In the world: 5 m ahead (+y), 2 m to the right (+x), 1 m up.
    sample = PandaSet(write_sequence(tmp_path / "seq", [[12.0, 25.0, 1.0]], [13]))[0]
    assert_allclose(sample.cloud.xyz_m, [[5.0, -2.0, 1.0]], atol=1e-6)
    assert_allclose(sample.cloud.intensity, [0.2], atol=1e-6)
    assert (sample.cloud.stamp_ns, sample.views[0].stamp_ns) == (5_000_000_000, 4_950_000_000)
    assert sample.class_id.tolist() == [NUSCENES_16.id_of("car")]
    view = sample.views[0]
    uv_px, depth_m, visible = view.camera.project(view.T_cam_lidar.apply(sample.cloud.xyz_m))
    assert_allclose(depth_m, [5.0], atol=1e-5)
    assert_allclose(uv_px, [[31.5 + 40 * 2 / 5, 23.5 - 40 * 1 / 5]], atol=1e-4)
    assert visible.all()
    assert view.load_rgb().shape == (48, 64, 3)


def test_a_frame_without_its_scan_is_told_by_check_data(tmp_path, capsys):
    folder = write_sequence(tmp_path, [[10, 25, 0]], [13])
    meta = json.loads((folder / "meta.json").read_text())
    meta["frames"] |= {"01": meta["frames"]["00"]}
    (folder / "meta.json").write_text(json.dumps(meta))
    assert main(["check-data", "pandaset", str(folder)]) == 2
    assert "wrong: 1 of 2 samples of meta.json lack their scan: 01" in capsys.readouterr().out


def test_one_sensor_can_be_taken_alone(tmp_path):
    folder = write_sequence(tmp_path / "seq", np.zeros((5, 3)), [13, 7, 5, 41, 0], sensor=[0, 1, 1, 0, 0])
    alone = [len(PandaSet(folder, sensor=sensor)[0].cloud) for sensor in (PANDAR64, PANDAR_GT, None)]
    assert alone == [3, 2, 5]
    assert PandaSet(folder, sensor=PANDAR_GT)[0].cloud.extra["sensor"].tolist() == [1, 1]


@pytest.fixture(scope="module")
def real(test_data):
    return PandaSet(recording(test_data, "pandaset_*"))


def test_a_frame_lies_on_its_road_with_the_ego_in_the_middle(real):
    sample = real[0]
    road = sample.class_id == NUSCENES_16.id_of("driveable_surface")
    near = np.linalg.norm(sample.cloud.xyz_m[:, :2], axis=1) < 15
    assert abs(np.median(sample.cloud.xyz_m[road & near, 2])) < 0.5  # origin about 0.3 m over the road
    assert (sample.cloud.intensity >= 0).all()
    assert 0.02 < sample.cloud.intensity.mean() <= 1
    assert len(sample.views) == 6
    # The street runs ahead and behind: the road reaches farther along x than along y.
    assert np.ptp(sample.cloud.xyz_m[road, 0]) > np.ptp(sample.cloud.xyz_m[road, 1])


def test_the_front_camera_looks_forward_and_the_back_camera_backward(real):
    sample = real[len(real) - 1]
    axis = {view.name: view.T_cam_lidar.rotation[2] for view in sample.views}
    assert axis["front_camera"][0] > 0.99
    assert axis["back_camera"][0] < -0.99
    assert axis["left_camera"][1] > 0.9
    assert axis["right_camera"][1] < -0.9


def test_green_pixels_are_more_often_vegetation_than_road(real):
    """A projection that were wrong would not find the colour of trees on the points called vegetation."""
    sample = real[0]
    greenness = {name: [] for name in ("vegetation", "driveable_surface")}
    for view in sample.views:
        pairs = point_pixel_pairs(sample.cloud.xyz_m, [(view.camera, view.T_cam_lidar)])
        rgb = view.load_rgb().astype(float)[pairs.pixel_uv[:, 1], pairs.pixel_uv[:, 0]]
        for name, values in greenness.items():
            of_class = sample.class_id[pairs.point_index] == NUSCENES_16.id_of(name)
            values.append((rgb[:, 1] - rgb[:, 2])[of_class])
    vegetation, road = (np.concatenate(values) for values in greenness.values())
    assert len(vegetation) > 1000
    assert vegetation.mean() > road.mean() + 5


def test_static_points_of_two_frames_meet_in_the_world(real):
    """The poses are consistent: building points of one frame lie near building points of the next."""
    from scipy.spatial import cKDTree

    walls = []
    for index in (0, 1):
        sample = real[index]
        manmade = sample.cloud.xyz_m[sample.class_id == NUSCENES_16.id_of("manmade")]
        close = manmade[np.linalg.norm(manmade, axis=1) < 40]
        walls.append(real.T_world_lidar(index).apply(close.astype(np.float64)))
    distance_m, _ = cKDTree(walls[0]).query(walls[1])
    assert np.median(distance_m) < 0.15


def test_chosen_frames_come_in_the_chosen_order(real):
    chosen = PandaSet(real.folder, frames=[real.frames[3], real.frames[1]])
    assert [chosen[index].name for index in range(len(chosen))] == [
        f"{real.folder.name}/{frame}" for frame in (real.frames[3], real.frames[1])
    ]
    with pytest.raises(BadDataset, match="frames"):
        PandaSet(real.folder, frames=["no such frame"])
