"""Paired scans: which points lie at which pixels, and what is read there."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.pairing import ZBuffer
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.lidar.pandaset import PandaSet
from offline_training.pretraining.views.paired_scan import pair_scan
from tests.recordings import recording

NUSCENES_16 = class_table("nuscenes16")

WIDTH, HEIGHT = 40, 24
_OPTICAL_FLU = RigidTransform(np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.zeros(3))


def pixel_ids(view: CameraView) -> np.ndarray:
    """Each pixel a value of its own, modulo 251."""
    return (np.arange(view.camera.height * view.camera.width) % 251).reshape(view.camera.height, -1).astype(np.uint8)


def picture(number: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), number, np.uint8)


def view(number: int, yaw_rad: float) -> CameraView:
    camera = CameraModel(WIDTH, HEIGHT, np.array([[20.0, 0, 19.5], [0, 20.0, 11.5], [0, 0, 1]]))
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    T_cam_lidar = _OPTICAL_FLU @ RigidTransform(np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]), np.zeros(3))
    return CameraView(f"camera{number}", camera, T_cam_lidar, 0, partial(picture, number))


@pytest.fixture
def sample() -> Sample:
    """A grid of points before each of two cameras that look apart, one behind the other, and broken ones between."""
    y, z = (axis.ravel() for axis in np.meshgrid(np.linspace(-6.1, 5.83, 25), np.linspace(-4.03, 3.9, 17)))
    ahead = np.stack([np.full_like(y, 10.0), y, z], axis=1)
    xyz_m = np.concatenate([ahead, 2.0 * ahead, ahead * (-1, 1, 1), [[np.nan, 0, 0], [np.inf, 1, 1]], ahead[:3]])
    xyz_m = xyz_m.astype(np.float32)
    cloud = PointCloud(xyz_m, np.linspace(0, 1, len(xyz_m), dtype=np.float32), 0, "lidar")
    class_id = (np.arange(len(xyz_m)) % 16).astype(np.uint8)
    return Sample("made", cloud, class_id, NUSCENES_16, (view(0, 0.0), view(1, np.pi)))


def test_pairs_are_what_the_projection_says_and_nothing_else(sample):
    scan = pair_scan(sample, pixel_ids)
    expected = set()
    for number, one in enumerate(sample.views):
        for index, xyz_m in enumerate(scan.xyz_m):
            x, y, depth = one.T_cam_lidar.apply(xyz_m[None].astype(np.float64))[0]
            if depth > 1.0:
                u, v = 20 * x / depth + 19.5, 20 * y / depth + 11.5
                if 0 < u < WIDTH - 1 and 0 < v < HEIGHT - 1:
                    expected.add((index, number, round(u), round(v)))
    found = set(zip(scan.point_index.tolist(), scan.image_index.tolist(), *scan.pixel_uv.T.tolist(), strict=True))
    assert found == expected
    assert len(found) == len(scan.point_index) > 500


def test_a_beam_that_met_nothing_is_no_point_has_no_class_and_no_pixel(sample):
    xyz_m = sample.cloud.xyz_m.copy()
    xyz_m[::3] = 0.0
    behind = RigidTransform(np.eye(3), np.array([0.0, 0.0, 5.0]))  # the sensor itself is in the picture
    views = tuple(replace(one, T_cam_lidar=behind @ one.T_cam_lidar) for one in sample.views)
    lost = Sample("lost", replace(sample.cloud, xyz_m=xyz_m), sample.class_id, NUSCENES_16, views)
    assert (lost.class_id[::3] == 255).all()
    assert_array_equal(lost.class_id[1:6:3], sample.class_id[1:6:3])
    scan = pair_scan(lost)
    assert len(scan) == len(xyz_m) - len(xyz_m[::3]) - np.isnan(xyz_m[:, 0]).sum() - np.isinf(xyz_m[:, 0]).sum()
    assert scan.xyz_m[scan.point_index].any(axis=1).all()
    scene = Sample("scene", replace(lost.cloud, in_sensor_frame=False), sample.class_id, NUSCENES_16, views)
    assert (scene.class_id[:3:3] == sample.class_id[:3:3]).all()
    assert (~pair_scan(scene).xyz_m.any(axis=1)).sum() == len(xyz_m[::3])


def test_points_that_are_not_finite_go_and_labels_stay_with_theirs(sample):
    scan = pair_scan(sample)
    finite = np.isfinite(sample.cloud.xyz_m).all(axis=1)
    assert len(scan) == finite.sum() == len(sample.cloud) - 2
    assert_array_equal(scan.class_id, sample.class_id[finite])
    assert_array_equal(scan.intensity, sample.cloud.intensity[finite])
    assert (scan.weak_class == 255).all()
    assert scan.superpixels is None


def test_the_weak_class_is_the_one_at_the_pixel_also_when_pictures_are_shrunk(sample):
    whole, small = pair_scan(sample, pixel_ids), pair_scan(sample, pixel_ids, max_image_width=13)
    u, v = whole.pixel_uv.T
    assert_array_equal(whole.weak_class, (v * WIDTH + u) % 251)
    assert_array_equal(small.weak_class, whole.weak_class)
    assert [image.shape for image in small.images] == [(8, 13, 3)] * 2
    assert_array_equal(small.pixel_uv[:, 0], np.floor((u + 0.5) * 13 / WIDTH))
    assert_array_equal(small.pixel_uv[:, 1], np.floor((v + 0.5) * 8 / HEIGHT))


def test_pictures_narrower_than_the_limit_stay_as_they_are(sample):
    assert pair_scan(sample, max_image_width=WIDTH).images[0].shape == (HEIGHT, WIDTH, 3)
    assert pair_scan(sample, max_image_width=10 * WIDTH).images[0].shape == (HEIGHT, WIDTH, 3)


def test_superpixels_shrink_with_their_picture_and_none_is_minus_one(sample):
    def superpixels(one: CameraView) -> np.ndarray:
        ids = np.full((HEIGHT, WIDTH), 65535, np.uint16)  # as LabelStore marks pixels without one
        ids[:, : WIDTH // 2] = 3
        return ids

    scan = pair_scan(sample, superpixels_of=superpixels, max_image_width=20)
    assert scan.superpixels is not None
    assert_array_equal(scan.superpixels[0], np.repeat([[3] * 10 + [-1] * 10], 12, axis=0))
    assert scan.superpixels[0].dtype == np.int32


def test_without_an_occlusion_test_hidden_points_pair_too(sample):
    def pairs_behind(occlusion: ZBuffer | None) -> int:
        scan = pair_scan(sample, occlusion=occlusion)
        return int((scan.xyz_m[scan.point_index, 0] == 20.0).sum())

    assert pairs_behind(None) > 100
    assert pairs_behind(ZBuffer(cell_px=2, surface_distance_m=10.0)) == 0


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH + 1), (WIDTH, HEIGHT), (HEIGHT, WIDTH, 3)])
def test_labels_of_another_size_are_refused_with_the_name_of_sample_and_camera(sample, shape):
    def wrong(_: CameraView) -> np.ndarray:
        return np.zeros(shape, np.uint8)

    with pytest.raises(BadDataset, match="made, camera0"):
        pair_scan(sample, weak_class_of=wrong)
    with pytest.raises(BadDataset, match="made, camera0"):
        pair_scan(sample, superpixels_of=wrong)


def test_a_sample_without_cameras_or_points_has_no_pairs(sample):
    assert len(pair_scan(replace(sample, views=())).point_index) == 0
    nothing = PointCloud(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), 0, "lidar")
    scan = pair_scan(replace(sample, cloud=nothing, class_id=None), pixel_ids)
    assert len(scan) == len(scan.point_index) == 0
    assert scan.class_id is None
    assert len(scan.images) == 2


def test_taking_points_keeps_each_pair_with_its_point(sample):
    scan = replace(pair_scan(sample, pixel_ids), segment=np.arange(len(pair_scan(sample)), dtype=np.int32))
    kept = np.random.default_rng(0).random(len(scan)) < 0.4
    part = scan.take_points(kept)
    of_pair = kept[scan.point_index]
    assert_array_equal(part.xyz_m[part.point_index], scan.xyz_m[scan.point_index[of_pair]])
    assert_array_equal(part.pixel_uv, scan.pixel_uv[of_pair])
    assert_array_equal(part.weak_class, scan.weak_class[of_pair])
    assert_array_equal(part.segment, np.flatnonzero(kept))
    assert_array_equal(part.class_id, scan.class_id[kept])


def test_pictures_show_the_class_of_their_points(test_data):
    """ESPNet's road and the points that people labelled as road: projection and pixel reading agree on a frame."""
    from PIL import Image

    labels_of = recording(test_data, "weak_labels_espnet/pandaset_*") / "camera"

    def espnet(one: CameraView) -> np.ndarray:
        with Image.open(labels_of / one.name / "00.png") as labels:
            return np.array(labels)

    scan = pair_scan(PandaSet(recording(test_data, "pandaset_*"), ["00"])[0], espnet, max_image_width=240)
    assert scan.images[0].shape == (135, 240, 3)
    assert (scan.pairs_per_image() > 0.05 * len(scan)).all()
    assert scan.class_id is not None
    road = scan.class_id[scan.point_index] == NUSCENES_16.id_of("driveable_surface")
    cityscapes_road = np.bincount(scan.weak_class[road]).argmax()
    assert (scan.weak_class[road] == cityscapes_road).mean() > 0.7
    assert (scan.weak_class[~road] == cityscapes_road).mean() < 0.05
