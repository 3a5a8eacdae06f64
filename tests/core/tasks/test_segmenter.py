"""Cloud in, one label per point out, whatever the cloud holds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lidar_vl_core.clouds.ego_region import EgoRegion
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadConfig, BadPointCloud
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks import segmenter as segmenter_module
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.voxels.features import voxel_features
from lidar_vl_core.voxels.grid import voxelise
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps

WILD = np.array([np.nan, np.inf, -np.inf, 1e38, -1e38, 1e9, -0.0, 1e-45, 51.2, -51.2], np.float32).tolist()


def cloud_of(xyz_m: np.ndarray) -> PointCloud:
    xyz_m = np.asarray(xyz_m, np.float32).reshape(-1, 3)
    return PointCloud(xyz_m, np.linspace(0, 1, len(xyz_m), dtype=np.float32), 1, "lidar")


@pytest.fixture(scope="module")
def package(tiny_package):
    return load_model_package(tiny_package)


@pytest.fixture(scope="module")
def segmenter(package) -> Segmenter:
    made = Segmenter(package, threads=1)
    made.warm_up()
    return made


def reference_labels(cloud: PointCloud, segmenter: Segmenter, package) -> tuple[np.ndarray, np.ndarray]:
    """The same walk, point by point and in float64 at the end."""
    xyz_m = cloud.measured_xyz_m()
    voxels = voxelise(xyz_m, package.grid)
    class_id = np.full(len(cloud), 255, np.uint8)
    probability = np.zeros(len(cloud))
    if len(voxels.coords):
        features = voxel_features(xyz_m, cloud.intensity, voxels, package.grid, package.manifest.features)
        maps = build_kernel_maps(voxels.coords, package.manifest.levels)
        logits = segmenter._session.run(features, maps).astype(np.float64)
        for point, voxel in enumerate(voxels.point_to_voxel):
            if voxel >= 0:
                odds = np.exp(logits[voxel] - logits[voxel].max())
                class_id[point] = logits[voxel].argmax()
                probability[point] = odds.max() / odds.sum()
    return class_id, probability


@settings(max_examples=150, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(0, 60), st.just(3)),
        elements=st.one_of(st.floats(-60, 60, width=32), st.floats(-4, 4, width=32), st.sampled_from(WILD)),
    )
)
def test_each_point_gets_the_answer_of_its_voxel_or_none(segmenter, package, xyz_m):
    cloud = cloud_of(xyz_m)
    labels = segmenter.segment(cloud)
    class_id, probability = reference_labels(cloud, segmenter, package)
    assert labels.class_id.dtype == np.uint8
    assert labels.probability.dtype == np.float32
    assert np.array_equal(labels.class_id, class_id)
    np.testing.assert_allclose(labels.probability, probability, rtol=1e-5)
    low, high = np.array(package.grid.range_min), np.array(package.grid.range_max)
    inside = ((cloud.xyz_m >= low) & (cloud.xyz_m < high)).all(axis=1) & cloud.xyz_m.any(axis=1)
    assert np.array_equal(labels.class_id != 255, inside)
    assert np.array_equal(labels.probability > 0, inside)


@pytest.mark.parametrize(
    "xyz_m",
    [np.zeros((0, 3)), np.full((7, 3), np.nan), np.full((7, 3), 1e38), np.full((7, 3), 500.0)],
    ids=["no points", "all NaN", "all 1e38", "all out of range"],
)
def test_a_cloud_with_nothing_to_label_gets_no_answer_per_point_and_no_error(segmenter, xyz_m):
    labels = segmenter.segment(cloud_of(xyz_m))
    assert labels.class_id.tolist() == [255] * len(xyz_m)
    assert labels.probability.tolist() == [0.0] * len(xyz_m)


def test_ten_thousand_broken_clouds_get_one_answer_per_point(segmenter, figures):
    rng = np.random.default_rng(9)
    wild = np.array(WILD, np.float32)
    for _ in range(10_000):
        xyz_m = rng.normal(0, 40, (rng.integers(0, 30), 3)).astype(np.float32)
        xyz_m = np.where(rng.random(xyz_m.shape) < rng.choice([0.0, 0.3, 1.0]), rng.choice(wild, xyz_m.shape), xyz_m)
        intensity = rng.choice(np.array([0.5, np.nan, np.inf, -1e38, 3e38], np.float32), len(xyz_m))
        labels = segmenter.segment(PointCloud(xyz_m, intensity, 1, "lidar"))
        assert labels.class_id.shape == labels.probability.shape == (len(xyz_m),)
        assert np.isfinite(labels.probability).all()
    figures.count("broken clouds", 10_000)


def test_labels_move_with_the_points(segmenter):
    rng = np.random.default_rng(3)
    xyz_m = rng.uniform(-6, 6, (3000, 3)).astype(np.float32)
    cloud = PointCloud(xyz_m, np.full(3000, 0.5, np.float32), 1, "lidar")
    order = rng.permutation(3000)
    moved = segmenter.segment(PointCloud(xyz_m[order], cloud.intensity, 1, "lidar"))
    labels = segmenter.segment(cloud)
    np.testing.assert_allclose(moved.probability, labels.probability[order], atol=1e-5)
    assert np.mean(moved.class_id == labels.class_id[order]) > 0.999  # float sums in another order may tip a tie


@pytest.mark.parametrize("engine", ["fused", "onnxruntime"])
def test_every_engine_answers_the_same(package, segmenter, engine):
    cloud = cloud_of(np.random.default_rng(4).uniform(-6, 6, (3000, 3)))
    other = Segmenter(package, engine, threads=1)
    assert other.engine_name == engine
    found, expected = other.segment(cloud), segmenter.segment(cloud)
    np.testing.assert_allclose(found.probability, expected.probability, atol=1e-4)
    assert np.mean(found.class_id == expected.class_id) >= 0.999


def test_the_time_of_each_stage_is_told_and_adds_up(segmenter):
    timing = segmenter.segment(cloud_of(np.zeros((10, 3)))).timing_ms
    assert list(timing) == ["voxels", "maps", "network", "labels", "total"]
    assert timing["total"] == pytest.approx(sum(timing[name] for name in list(timing)[:-1]))
    assert all(value >= 0 for value in timing.values())


def test_a_cloud_that_cannot_be_written_to_is_labelled_and_left_as_it_is(segmenter):
    xyz_m = np.random.default_rng(5).uniform(-3, 3, (100, 3)).astype(np.float32)
    cloud = PointCloud(np.frombuffer(xyz_m.tobytes(), np.float32).reshape(-1, 3), np.zeros(100, np.float32), 1, "lidar")
    assert (segmenter.segment(cloud).class_id < 16).all()
    assert np.array_equal(cloud.xyz_m, xyz_m)


def test_after_the_warm_up_no_message_waits_for_a_compiler(segmenter):
    from lidar_vl_core.tasks import label_loops
    from lidar_vl_core.voxels import grid_loops, kernel_map_loops

    def compiled() -> dict[str, int]:
        modules = (kernel_map_loops, label_loops, grid_loops)
        loops = {name: loop for module in modules for name, loop in vars(module).items()}
        return {name: len(loop.signatures) for name, loop in loops.items() if hasattr(loop, "signatures")}

    before = compiled()
    assert before["add_points"] == 1
    xyz_m = np.random.default_rng(6).uniform(-50, 50, (40_000, 3)).astype(np.float32)
    for points in (np.frombuffer(xyz_m.tobytes(), np.float32).reshape(-1, 3), xyz_m, xyz_m[:1]):
        segmenter.segment(PointCloud(points, np.zeros(len(points), np.float32), 1, "lidar"))
    assert compiled() == before


def test_more_points_than_the_limit_are_refused_before_any_work(package):
    segmenter = Segmenter(package, threads=1, max_points=99)
    with pytest.raises(BadPointCloud, match="100 points: expected at most 99"):
        segmenter.segment(cloud_of(np.zeros((100, 3))))


class _SessionOf:
    """A network that answers what the test says."""

    engine_name = "fake"

    def __init__(self, logits: np.ndarray) -> None:
        self.logits = logits
        self.asked = 0

    def run(self, features, maps) -> np.ndarray:
        self.asked += 1
        return np.broadcast_to(self.logits, (len(features), len(self.logits))).copy()


def test_a_network_that_answers_nonsense_gives_no_answer(package, monkeypatch):
    session = _SessionOf(np.array([0.0, np.nan, 3.0], np.float32))
    monkeypatch.setattr(segmenter_module, "open_session", lambda *_: session)
    labels = Segmenter(package).segment(cloud_of(np.ones((4, 3))))
    assert labels.class_id.tolist() == [255] * 4
    assert labels.probability.tolist() == [0.0] * 4


def test_beams_that_met_nothing_get_no_class_and_change_no_other(segmenter):
    rng = np.random.default_rng(3)
    xyz_m, lost = rng.uniform(-20, 20, (4000, 3)).astype(np.float32), rng.random(4000) < 0.35
    xyz_m[lost] = np.where(rng.random((lost.sum(), 3)) < 0.5, 0.0, -0.0)
    cloud = cloud_of(xyz_m)
    labels = segmenter.segment(cloud)
    assert set(labels.class_id[lost]) == {255}
    assert not labels.probability[lost].any()
    alone = segmenter.segment(PointCloud(xyz_m[~lost], cloud.intensity[~lost], 1, "lidar"))
    assert np.array_equal(labels.class_id[~lost], alone.class_id)
    assert not cloud.xyz_m[lost].any()


def test_in_a_scene_the_origin_is_a_place_like_any_other(segmenter):
    scene = replace(cloud_of([[0, 0, 0], [1, 1, 1], [np.nan, 0, 0]]), in_sensor_frame=False)
    assert (segmenter.segment(scene).class_id == 255).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("ego", "own"),
    [
        (EgoRegion(radius_m=2.5), [True, False, True, False]),
        (EgoRegion(box_m=(-1, -3.5, -1, 1, 1, 1)), [True, True, False, False]),
        (EgoRegion(2.5, (-1, -3.5, -1, 1, 1, 1)), [True, True, True, False]),
        (EgoRegion(radius_m=1e200), [True] * 4),
        (EgoRegion(), [False] * 4),
    ],
    ids=["ball", "box", "both", "larger than any float32", "off"],
)
def test_points_on_the_own_vehicle_get_no_class(package, ego, own):
    xyz_m = np.array([[0.5, 0.5, 0.5], [0, -3, 0], [2, 0, 1], [20, 1, 1]], np.float32)
    assert (Segmenter(package, threads=1, ego=ego).segment(cloud_of(xyz_m)).class_id == 255).tolist() == own


@pytest.mark.parametrize(
    ("radius_m", "box_m"),
    [(-1.0, ()), (float("nan"), ()), (0.0, (1, 2, 3)), (0.0, (0, 0, 0, 1, 1, 0)), (0.0, (0, 0, 0, 1, 1, float("inf")))],
)
def test_a_region_that_is_none_is_refused(radius_m, box_m):
    with pytest.raises(BadConfig, match=r"ego (radius|box): expected"):
        EgoRegion(radius_m, box_m)


def test_the_network_is_not_asked_about_an_empty_scan(package, monkeypatch):
    session = _SessionOf(np.zeros(16, np.float32))
    monkeypatch.setattr(segmenter_module, "open_session", lambda *_: session)
    Segmenter(package).segment(cloud_of(np.zeros((0, 3))))
    assert session.asked == 0
