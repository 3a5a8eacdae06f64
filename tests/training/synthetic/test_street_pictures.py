"""Cameras of synthetic streets: classes of pixels and points agree, with light, shade and a sky."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lidar_vl_core.cameras.pairing import DepthImages, point_pixel_pairs

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.synthetic.sensors.drive import SyntheticDrive, drive
from offline_training.synthetic.sensors.lidar_spec import LIDARS


@cache
def pictured_frame():
    return next(drive(3, 1, LIDARS["hdl32"], image_width=320))


def test_a_point_has_the_class_of_the_pixel_it_is_seen_at():
    frame = pictured_frame()
    views = [(view.camera, view.T_cam_lidar) for view in frame.views]
    pairs = point_pixel_pairs(
        frame.cloud.xyz_m, views, occlusion=DepthImages([view.depth_m for view in frame.views], relative_margin=0.02)
    )
    u, v = pairs.pixel_uv.T
    pixel_class = np.stack([view.class_id for view in frame.views])[pairs.camera_index, v, u]
    assert len(pairs) > 5000
    assert (pixel_class == frame.cloud.extra["label"][pairs.point_index]).mean() >= 0.97


def test_pictures_have_light_and_shade_and_a_sky():
    for view in pictured_frame().views:
        assert view.rgb.shape == (180, 320, 3)
        assert view.rgb.dtype == np.uint8
        assert view.rgb.std() > 15
        sky = np.isinf(view.depth_m)
        assert (view.class_id[sky] == 255).all()
        assert (view.depth_m[~sky] > 0).all()
        assert len(np.unique(view.class_id)) >= 4


def test_a_picture_of_a_seed_is_always_the_same():
    again = SyntheticDrive(3, LIDARS["hdl32"], image_width=320).frame(0)
    assert_array_equal(again.views[2].rgb, pictured_frame().views[2].rgb)
    assert_array_equal(again.cloud.xyz_m, pictured_frame().cloud.xyz_m)
