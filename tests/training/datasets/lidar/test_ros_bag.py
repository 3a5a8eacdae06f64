"""Recordings as samples: a small one written here with labels, a camera and transforms, and a real one."""

import pickle
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.black_box.message_ring import MessageRing, RawMessage
from lidar_vl_core.black_box.recordings import BlackBoxFolder
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.ego_region import EgoRegion
from lidar_vl_core.clouds.labelled_message import cloud_message
from lidar_vl_core.clouds.point_cloud2 import encode
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, BadRequest
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.lidar.ros_bag import RosBag, RosBagSource
from offline_training.pretraining.views.paired_scan import pair_scan
from tests.recordings import recording
from tests.written.ros_messages import camera_info, jpeg, tf, transform

NUSCENES_16 = class_table("nuscenes16")

START_NS = 1_000 * 1_000_000_000
LABELS = np.array([17, 24, 0, 30], np.uint8)  # nuScenes-lidarseg: car, driveable surface, noise, vegetation
XYZ_M = np.array([[5, 1, 0], [6, 0, -1], [7, -1, 0], [8, 0, 1]], np.float32)


def _write(path, frames=3, labels=LABELS, extra_cloud_topic=None):
    columns = {"x": XYZ_M[:, 0], "y": XYZ_M[:, 1], "z": XYZ_M[:, 2], "intensity": np.ones(4, np.float32)}
    layout = encode(columns | {"label": labels})
    image = BytesIO()
    Image.new("RGB", (64, 48), (200, 10, 10)).save(image, "JPEG")
    K = [20, 0, 31.5, 0, 20, 23.5, 0, 0, 1]
    optical_axis_along_x = (-0.5, 0.5, -0.5, 0.5)
    mount = tf(transform("lidar", "camera", (1, 0, 0), optical_axis_along_x, START_NS))
    with BagWriter(path) as bag:
        bag.write("/tf_static", "tf2_msgs/msg/TFMessage", START_NS, mount)
        for index in range(frames):
            stamp_ns = START_NS + index * 100_000_000
            cloud = cloud_message(layout, stamp_ns, "lidar")
            info = camera_info(stamp_ns, "camera", K, 64, 48)
            picture = jpeg(stamp_ns, "camera", image.getvalue())
            bag.write("/front/camera_info", "sensor_msgs/msg/CameraInfo", stamp_ns, info)
            bag.write("/front/image/compressed", "sensor_msgs/msg/CompressedImage", stamp_ns, picture)
            bag.write("/points", "sensor_msgs/msg/PointCloud2", stamp_ns, cloud)
            if extra_cloud_topic is not None:
                bag.write(extra_cloud_topic, "sensor_msgs/msg/PointCloud2", stamp_ns, cloud)
    return path


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return _write(tmp_path_factory.mktemp("bag") / "drive.mcap")


def test_clouds_come_with_their_labels_in_the_class_table(drive):
    samples = RosBag(drive, label_field="label", label_table="nuscenes_lidarseg")
    assert [samples[index].name for index in range(len(samples))] == ["drive/0", "drive/1", "drive/2"]
    assert_allclose(samples[1].cloud.xyz_m, XYZ_M)
    assert samples[1].cloud.stamp_ns == START_NS + 100_000_000
    assert samples[1].class_id.tolist() == [NUSCENES_16.id_of("car"), NUSCENES_16.id_of("driveable_surface"), 255, 15]


def test_images_come_with_the_pose_the_recording_states(drive):
    view = RosBag(drive)[0].views[0]
    assert (view.name, view.stamp_ns) == ("front", START_NS)
    uv_px, depth_m, visible = view.camera.project(view.T_cam_lidar.apply(XYZ_M))
    assert_allclose(depth_m, XYZ_M[:, 0] - 1.0, atol=1e-6)
    assert_allclose(uv_px[0], (31.5 - 20 * 1 / 4, 23.5), atol=1e-6)
    assert visible.all()
    assert view.load_rgb().shape == (48, 64, 3)


def test_a_worker_process_that_is_sent_the_samples_reads_the_same(drive, tmp_path):
    samples = RosBag(drive)
    (tmp_path / "sent").write_bytes(pickle.dumps(samples))
    worker = "import pickle, sys; view = pickle.load(sys.stdin.buffer)[0].views[0]; "
    worker += "sys.stdout.buffer.write(view.read_bytes() + view.load_rgb().tobytes())"
    with (tmp_path / "sent").open("rb") as sent:
        found = subprocess.run([sys.executable, "-c", worker], stdin=sent, capture_output=True, check=True).stdout
    view = samples[0].views[0]
    assert found == view.read_bytes() + view.load_rgb().tobytes()


def test_points_on_the_own_vehicle_have_no_class_and_lie_in_no_picture(drive):
    ego = EgoRegion(box_m=(5.5, -0.5, -2, 6.5, 0.5, 0))
    sample = RosBag(drive, label_field="label", label_table="nuscenes_lidarseg", ego=ego)[0]
    assert sample.class_id.tolist() == [NUSCENES_16.id_of("car"), 255, 255, 15]
    assert pair_scan(sample, min_depth_m=0.1).point_index.max() == 2
    source = RosBagSource(folder=str(drive), ego_radius_m=6.2, intensity_max=4.0)
    cut = open_source(source, NUSCENES_16)[0].cloud
    assert cut.has_return().tolist() == [False, False, True, True]
    assert cut.intensity.tolist() == [0.25] * 4
    with pytest.raises(BadConfig, match="ego box: expected"):
        validated(RosBagSource, {"folder": "a", "ego_box_m": [1, 2, 3]}, "here")


def test_frames_can_be_chosen_by_their_place(drive):
    chosen = RosBag(drive, frames=range(1, 100, 2))
    assert [sample.name for sample in (chosen[index] for index in range(len(chosen)))] == ["drive/1"]
    assert chosen[0].class_id is None


def test_what_the_recording_lacks_is_named(drive, tmp_path):
    with pytest.raises(BadDataset, match=r"truth.*intensity, label"):
        RosBag(drive, label_field="truth", label_table="nuscenes16")
    with pytest.raises(BadDataset, match="together"):
        RosBag(drive, label_field="label")
    with pytest.raises(BadDataset, match="chosen frames"):
        RosBag(drive, frames=[77])
    two = _write(tmp_path / "two.mcap", frames=1, extra_cloud_topic="/rear/points")
    with pytest.raises(BadRequest, match="/rear/points"):
        RosBag(two)
    assert len(RosBag(two, cloud_topic="/rear/points")) == 1


def test_labels_of_another_table_name_the_frame(drive):
    with pytest.raises(BadDataset, match=r"drive/0.*semantic_kitti19"):
        RosBag(drive, label_field="label", label_table="semantic_kitti19")[0]


def test_a_bag_of_a_street_gives_clouds_and_images_that_fit(test_data):
    samples = RosBag(recording(test_data, "bags/*_mcap"), frames=[0, 1])
    assert len(samples) == 2
    view = samples[0].views[0]
    _, _, visible = view.camera.project(view.T_cam_lidar.apply(samples[0].cloud.xyz_m))
    assert view.load_rgb().shape == (view.camera.height, view.camera.width, 3)
    assert 0.09 < visible.mean() < 0.27  # a quarter of the circle, less what is above and below


def test_what_a_black_box_recorded_is_a_data_set_like_the_drive_it_was_heard_from(tmp_path):
    _write(tmp_path / "drive.mcap")
    ring = MessageRing(0.15, 1 << 20)  # two clouds of a 10 Hz LiDAR
    with open_bag(tmp_path / "drive.mcap") as bag:
        for each in bag.messages():
            ring.add(RawMessage(each.topic, each.type, each.stamp_ns, bytes(each.cdr)))
    path, _ = BlackBoxFolder(tmp_path / "box", 1 << 24, 0).write(ring.last_seconds(), "flicker", 0.0)
    labels = {"label_field": "label", "label_table": "nuscenes_lidarseg"}
    drive, heard = (RosBag(each, classes=NUSCENES_16, **labels) for each in (tmp_path / "drive.mcap", path))
    assert 0 < len(heard) < len(drive) == 3
    for ours, theirs in zip(reversed([*heard]), reversed([*drive]), strict=False):
        assert_allclose(ours.cloud.xyz_m, theirs.cloud.xyz_m)
        assert ours.class_id.tolist() == theirs.class_id.tolist()
        ours_paired, theirs_paired = (pair_scan(each, min_depth_m=0.1) for each in (ours, theirs))
        assert len(ours_paired.pixel_uv) == len(theirs_paired.pixel_uv) > 0
