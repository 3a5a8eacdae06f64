"""Clouds out of depth images: the mean of each voxel, resized images with their intrinsics, and what is no depth."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.cameras.camera_model import CameraModel
from offline_training.datasets.rgbd.files.rgbd_fusion import DepthFrame, fuse_depth
from offline_training.datasets.rgbd.files.rgbd_view import metres, openscene_resized, resized_nearest
from tests.written.rgbd_scenes import (  # fmt: skip
    turned_pose,
)


def test_0_and_65535_are_no_depth():
    assert metres(np.array([[0, 65535, 1500]], np.uint16), 1000.0).tolist() == [[0.0, 0.0, 1.5]]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 70))
def test_fusing_gives_the_mean_of_each_voxel_whatever_the_order_of_the_frames(seed, count):
    rng = np.random.default_rng(seed)
    camera = CameraModel(4, 3, np.array([[3.0, 0, 1.5], [0, 3.0, 1.0], [0, 0, 1.0]]))
    shots = [
        DepthFrame(
            turned_pose(rng.uniform(0, 6)), camera, rng.choice([0.0, 0.5, 1.0], (3, 4)).astype(np.float32),
            rng.integers(0, 256, (3, 4, 3)).astype(np.uint8),
        )
        for _ in range(count)
    ]  # fmt: skip
    xyz_m, rgb = fuse_depth(shots, 0.1)
    cells: dict[tuple[int, ...], list[np.ndarray]] = {}
    for shot in shots:  # the slow way
        for v, u in zip(*np.nonzero(shot.depth_m), strict=True):
            point_cam_m = camera.unproject(np.array([[u, v]]), shot.depth_m[v, u][None])
            point_m = shot.T_world_cam.apply(point_cam_m)[0]
            cells.setdefault(tuple(np.floor(point_m / 0.1).astype(int)), []).append(np.append(point_m, shot.rgb[v, u]))
    expected = np.array([np.mean(cells[cell], axis=0) for cell in sorted(cells)]).reshape(-1, 6)
    assert np.allclose(xyz_m, expected[:, :3], atol=1e-5)
    assert np.abs(rgb - expected[:, 3:]).max(initial=0.0) <= 0.5 + 1e-9
    backwards_m, _ = fuse_depth(shots[::-1], 0.1)
    assert np.allclose(backwards_m, xyz_m, atol=1e-6)


def test_the_intrinsics_of_a_resized_image_follow_openscenes_rule():
    K640 = np.array([[577.870605, 0, 319.5], [0, 577.870605, 239.5], [0, 0, 1.0]])
    resized = openscene_resized(CameraModel(640, 480, K640), 320, 240)
    assert np.allclose(resized.K, [[288.9353025, 0, 159.5], [0, 288.9353025, 119.5], [0, 0, 1]])


def test_nearest_resizing_takes_whole_pixels():
    image = np.arange(12).reshape(3, 4)
    assert np.array_equal(resized_nearest(image, 8, 6), image.repeat(2, axis=0).repeat(2, axis=1))
    assert resized_nearest(image, 2, 1).tolist() == [[5, 7]]
