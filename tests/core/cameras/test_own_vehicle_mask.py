"""Masks of the own vehicle: what is black in a picture, what a camera sees with one, and files that are no masks."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.own_vehicle_mask import read_mask
from lidar_vl_core.cameras.pairing import point_pixel_pairs
from lidar_vl_core.foundation.errors import BadCalibration, BadConfig
from lidar_vl_core.geometry.rigid_transform import RigidTransform

_CAMERA = CameraModel(1280, 720, np.array([[800.0, 0.0, 630.5], [0.0, 810.0, 355.25], [0.0, 0.0, 1.0]]))


@pytest.mark.parametrize("name", ["mask.png", "mask.jpg"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_black_is_the_own_vehicle(tmp_path, name, mode):
    picture = np.full((48, 64), 255, np.uint8)
    picture[32:] = 0
    Image.fromarray(picture).convert(mode).save(tmp_path / name)
    np.testing.assert_array_equal(read_mask(tmp_path / name), picture > 0)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "No such file"), (b"", "expected"), (b"\x89PNG broken", "expected"), (b"P5 2 2 255 aaaa", "expected")],
)
def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path, content, expected):
    path = tmp_path / "mask.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadConfig, match=f"mask .*mask.png: .*{expected}"):
        read_mask(path)


def test_a_mask_that_is_black_all_over_is_refused(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "mask.png")
    with pytest.raises(BadConfig, match="Invert the mask"):
        read_mask(tmp_path / "mask.png")


def test_what_a_camera_sees_of_the_own_vehicle_is_not_seen_whatever_its_size():
    mask = np.ones((720, 1280), bool)
    mask[360:, :640] = False  # the left half of the lower half
    whole = replace(_CAMERA, mask=mask)
    xyz_cam_m = whole.unproject(
        np.array([[100.0, 100.0], [100.0, 700.0], [639.4, 360.0], [640.0, 360.0]]), np.full(4, 10.0)
    )
    np.testing.assert_array_equal(whole.project(xyz_cam_m)[2], [True, False, False, True])
    for smaller in (whole.scaled(320, 180), whole.cropped(64, 60, 1200, 660)):
        np.testing.assert_array_equal(smaller.project(xyz_cam_m)[2], [True, False, False, True])
    pairs = point_pixel_pairs(xyz_cam_m, [(whole, RigidTransform.identity())])
    np.testing.assert_array_equal(pairs.point_index, [0, 3])


def test_a_mask_of_another_size_is_refused_with_both():
    with pytest.raises(
        BadCalibration, match="mask: expected 1280 x 720 pixels as the calibration says, found 640 x 480"
    ):
        replace(_CAMERA, mask=np.ones((480, 640), bool))
