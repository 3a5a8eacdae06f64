"""ScaLR's view of a scan: one camera's points, each with its own pixel, whole pictures; and its recipe against its public code."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import offline_training
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.networks.base.point_backbone import BackboneInputs
from offline_training.networks.image.image_teacher import build_image_teacher
from offline_training.pretraining.base.paired_views import pairing
from offline_training.pretraining.config import load_pretrain_config
from offline_training.pretraining.known_methods import METHODS
from offline_training.pretraining.schedule import Schedule
from offline_training.pretraining.views.pretrain_batch import collate_pairs
from offline_training.runs.backbones import build_backbone, flat_grids_of, preparer_of
from tests.training.pretraining.pretrain_scenes import HEIGHT, WIDTH, Rooms, config

RECIPE = Path(offline_training.__file__).parent / "configs" / "pretrain" / "scalr.yaml"
STILL = {
    "turn": False,
    "flip_probability": 0.0,
    "drop_cuboid": False,
    "crop": False,
    "image_flip_probability": 0.0,
    "pixel_rule": "floor",
}


def drawn(rooms: Rooms, seed: int = 0, **changes: object):
    one = config(Path("unused"), method="scalr", augment=STILL, image_size=[HEIGHT, WIDTH], pixel="floor", **changes)
    return METHODS["scalr"].views(one, None)(rooms, 0, np.random.default_rng(seed))


def test_only_the_points_in_one_cameras_view_are_seen_each_with_its_lower_pixel():
    rooms = Rooms()
    sample = rooms[0]
    seen_from = {0: 0, 1: 0}
    for seed in range(12):
        scan = drawn(rooms, seed)
        (image,) = scan.images
        number = next(k for k in (0, 1) if np.array_equal(image, sample.views[k].load_rgb()))
        seen_from[number] += 1
        camera, T_cam_lidar = sample.views[number].camera, sample.views[number].T_cam_lidar
        uv_px, depth_m, _ = camera.project(T_cam_lidar.apply(scan.xyz_m[scan.point_index]))
        assert_array_equal(scan.pixel_uv, np.floor(uv_px).astype(int))
        assert (depth_m > 1.0).all()
        assert_array_equal(np.sort(scan.point_index), np.arange(len(scan)))
        assert 0 < len(scan) < len(sample.cloud) / 2
    assert min(seen_from.values()) >= 2


def test_a_camera_that_sees_nothing_is_passed_over():
    assert all(len(drawn(Rooms(blind=True), seed).point_index) for seed in range(6))


def test_points_beyond_the_grid_are_left_out_with_their_pairs():
    near = drawn(Rooms(), point_cloud_range=[-4.0, -4.0, -8.0, 4.0, 4.0, 8.0])
    assert (np.abs(near.xyz_m[:, :2]) <= 4.0).all()
    assert 0 < len(near.point_index) == len(near) < len(drawn(Rooms()))


def test_a_row_learns_from_the_pixel_of_its_first_point_alone():
    one = config(Path("unused"), method="scalr")
    scan = pairing(one)(Rooms()[0])
    scan = replace(scan, xyz_m=np.round(scan.xyz_m))  # many in one voxel
    prepared = preparer_of(one)
    every, first = (collate_pairs([scan], prepared, first_of_row=only) for only in (False, True))
    assert isinstance(first.inputs, BackboneInputs)
    points = [np.flatnonzero(first.inputs.row_of_point.numpy() == row)[0] for row in first.pair_row.tolist()]
    uv_of = {(p, k): uv for p, k, uv in zip(scan.point_index, scan.image_index, scan.pixel_uv.tolist(), strict=True)}
    assert first.pair_uv.tolist() == [uv_of[p, k] for p, k in zip(points, first.pair_image.tolist(), strict=True)]
    assert 0 < len(first.pair_row) < len(every.pair_row)


def test_the_recipe_is_scalrs():
    recipe = load_pretrain_config(RECIPE)
    assert flat_grids_of(recipe).shapes == ((256, 256), (256, 32), (256, 32))
    assert (recipe.waffle_shape.layers, recipe.waffle_shape.channels, recipe.waffle_shape.layer_norm) == (48, 768, True)
    assert recipe.waffle_shape.drop_path == 0.0
    with torch.device("meta"):
        assert build_backbone(recipe, None).feature_channels == 768


def test_the_rate_rises_for_3500_steps_and_ends_at_a_200th():
    schedule = Schedule(load_pretrain_config(RECIPE), 28130 // 8)

    def by_hand(step: int) -> float:  # WarmupCosine of ScaLR's utils/scheduler.py
        if step < 3500:
            return 0.002 * step / 3500
        share = (step - 3500) / (25 * 3516 - 3500)
        return 0.002 * (0.005 + 0.5 * (1 - 0.005) * (np.cos(np.pi * share) + 1))

    steps = [0, 1, 1750, 3499, 3500, 40000, 87899]
    assert_allclose([schedule.learning_rate(step) for step in steps], [by_hand(step) for step in steps], rtol=1e-12)


def test_features_before_the_last_norm_are_those_that_it_reads():
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    last = build_image_teacher("timm:test_vit", None, True)
    torch.manual_seed(0)
    before = build_image_teacher("timm:test_vit", None, True, before_norm=True)
    images = torch.rand(2, 3, 2 * last.stride, 3 * last.stride)
    norm = last.network[1].network.norm
    with torch.no_grad():
        norm.weight.copy_(torch.rand_like(norm.weight))
        expected = norm(before(images).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(last(images), expected)
    assert timm.is_model("vit_large_patch14_dinov2")
    with pytest.raises(BadConfig, match="last norm"):
        build_image_teacher("timm:test_resnet", None, True, before_norm=True)
