"""Back-projection: streaming sums are means, voxels share rows, and what means nothing is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, BadImage, BadPointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.words.scenes.back_project import back_project
from offline_training.words.scenes.extract_config import ExtractConfig
from offline_training.words.scenes.voxel_rows import voxel_rows
from tests.training.words.features.feature_scenes import HEIGHT, WIDTH, box_scene
from tests.training.words.features.one_view_scenes import PER_POINT, pixel_numbers, scene_of, view_of


def _reference(sample, maps, config):
    """The definition in plain Python: for each row the mean over all (point, view) pairs; who sees it; which points count."""
    cells = {}
    row = [
        tuple(np.floor(p.astype(np.float64) / config.voxel_m).astype(int)) if config.voxel_m else i
        for i, p in enumerate(sample.cloud.xyz_m)
    ]
    seen = [False] * len(row)
    for number, (view, feature) in enumerate(zip(sample.views, maps, strict=True)):
        depth = view.load_depth_m()
        for i, p in enumerate(sample.cloud.xyz_m.astype(np.float64)):
            x, y, z = view.T_cam_lidar.rotation @ p + view.T_cam_lidar.translation_m
            if z <= config.min_depth_m:
                continue
            K = view.camera.K
            u, v = round(K[0, 0] * x / z + K[0, 2]), round(K[1, 1] * y / z + K[1, 2])
            border = config.border_px
            if not (border <= u < WIDTH - border and border <= v < HEIGHT - border):
                continue
            if not abs(float(depth[v, u]) - z) <= config.relative_margin * float(depth[v, u]):
                continue
            seen[i] = True
            height, width = feature.shape[1:]
            value = feature[:, int((v + 0.5) * height / HEIGHT), int((u + 0.5) * width / WIDTH)].double().numpy()
            cells.setdefault(row[i], []).append((number, value))
    return row, seen, cells


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 11), st.sampled_from([None, 0.05, 0.4]), st.integers(0, 6))
def test_streaming_sums_are_the_means_of_the_definition(seed, views, voxel_m, border_px):
    sample = box_scene(number=seed, views=views, points=90)
    config = ExtractConfig(voxel_m=voxel_m, border_px=border_px)
    maps = list(torch.randn(views, 5, 12, 16, generator=torch.Generator().manual_seed(seed)))
    of_view = {view.name: feature for view, feature in zip(sample.views, maps, strict=True)}
    features = back_project(sample, lambda view: of_view[view.name], config)
    row, seen, cells = _reference(sample, maps, config)
    assert features.visible.tolist() == seen
    assert len(features.feature) == len(cells)
    seen_by = features.seen_by()
    for i in np.flatnonzero(seen):
        observations = cells[row[i]]
        mine = features.row_of_point[i]
        mean = np.mean([value for _, value in observations], axis=0)
        np.testing.assert_allclose(features.feature[mine], mean, atol=2e-3)
        assert set(np.flatnonzero(seen_by[mine])) == {number for number, _ in observations}


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_the_order_of_the_views_does_not_matter(seed, order):
    sample = box_scene(number=seed, views=5, points=120)
    maps = torch.randn(5, 4, 12, 16, generator=torch.Generator().manual_seed(seed))
    of_view = {view.name: feature for view, feature in zip(sample.views, maps, strict=True)}
    config = ExtractConfig(voxel_m=0.3, border_px=0)
    there = back_project(sample, lambda view: of_view[view.name], config)
    other = replace(sample, views=tuple(sample.views[k] for k in order))
    turned = back_project(other, lambda view: of_view[view.name], config)
    np.testing.assert_array_equal(turned.row_of_point, there.row_of_point)
    np.testing.assert_allclose(turned.feature, there.feature, atol=2e-3)
    np.testing.assert_array_equal(turned.seen_by(), there.seen_by()[:, list(order)])


@given(st.integers(0, 10**6), st.sampled_from([0.01, 0.02, 0.5, 3.0]))
def test_points_share_a_row_when_and_only_when_they_share_a_voxel(seed, voxel_m):
    rng = np.random.default_rng(seed)
    xyz_m = rng.normal(0, 1, (60, 3)).astype(np.float32)
    xyz_m[rng.integers(0, 60, 5)] = np.nan
    row, rows = voxel_rows(xyz_m, voxel_m)
    cells = [tuple(np.floor(p.astype(np.float64) / voxel_m)) if np.isfinite(p).all() else None for p in xyz_m]
    assert rows == len({cell for cell in cells if cell})
    assert [r == -1 for r in row] == [cell is None for cell in cells]
    for i in range(0, 60, 7):
        assert [r == row[i] for r in row] == [cell == cells[i] for cell in cells]


def test_a_scene_too_large_for_its_voxels_is_refused():
    with pytest.raises(BadPointCloud, match=r"20971\.5 m .*voxel_m"):
        voxel_rows(np.array([[3e4, 0, 0]], np.float32), 0.02)


def test_only_views_that_see_something_are_asked_for_and_points_of_no_view_have_no_row():
    away = RigidTransform(np.diag([-1.0, 1.0, -1.0]), np.zeros(3))
    asked = []

    def features_of(view):
        asked.append(view)
        return pixel_numbers(view)

    sample = scene_of([[0, 0, 2], [50, 0, 2], [np.nan, 0, 2]], view_of(away), view_of())
    features = back_project(sample, features_of, PER_POINT)
    assert asked == [sample.views[1]]
    assert features.row_of_point.tolist() == [0, -1, -1]
    assert features.seen_by().tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("feature", "match"),
    [
        (torch.full((2, 4, 4), float("nan")), "check its weights"),
        (torch.full((2, 4, 4), 7e4), "at most 65504"),
        (torch.zeros(2, 4), r"\(C, h, w\)"),
    ],
)
def test_features_that_mean_nothing_are_refused(feature, match):
    with pytest.raises(BadDataset, match=match):
        back_project(scene_of([[0, 0, 2]], view_of()), lambda view: feature, PER_POINT)


def test_views_of_one_scene_must_agree_on_the_width():
    sample = scene_of([[0, 0, 2]], view_of(), view_of())
    widths = iter((3, 4))
    with pytest.raises(BadDataset, match=r"C = 3 .*found \(4, 2, 2\)"):
        back_project(sample, lambda view: torch.zeros(next(widths), 2, 2), PER_POINT)


def test_depth_that_is_not_there_is_told_apart_from_depth_that_is_damaged():
    with pytest.raises(BadConfig, match="z_buffer"):
        back_project(scene_of([[0, 0, 2]], view_of()), pixel_numbers, ExtractConfig())
    with pytest.raises(BadImage, match="depth image"):
        back_project(scene_of([[0, 0, 2]], view_of(depth_m=np.zeros((0, 4)))), pixel_numbers, ExtractConfig())


def test_no_view_and_no_point_is_no_error():
    for sample in (scene_of(np.zeros((0, 3))), scene_of([[0, 0, 2]]), scene_of(np.zeros((0, 3)), view_of())):
        features = back_project(sample, pixel_numbers, PER_POINT)
        assert len(features.row_of_point) == len(sample.cloud)
        assert not features.visible.any()


@pytest.mark.parametrize("wrong", [{"relative_margin": 0.0}, {"border_px": -1}, {"voxel_m": 0.0}, {"components": 0}])
def test_options_that_mean_nothing_are_refused(wrong):
    with pytest.raises(BadConfig, match=next(iter(wrong))):
        validated(ExtractConfig, wrong, "test")
