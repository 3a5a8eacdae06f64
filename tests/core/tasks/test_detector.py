"""A detector: the same boxes by every engine, in the cloud's frame, of what the sensor saw within limits."""

from dataclasses import replace

import numpy as np
import pytest

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.clouds.ego_region import EgoRegion
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import (
    BadConfig,
    BadLabels,
    BadModelPackage,
    BadPointCloud,
    BadRequest,
    EngineUnavailable,
)
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.tasks.detector import Detector
from lidar_vl_core.tasks.segmenter import Segmenter
from tests.written.tiny_detectors import ANCHORS, CENTERS, write_tiny_detector
from tests.written.tiny_package import write_tiny_package

HEADS = {"anchors": ANCHORS, "centers": CENTERS}


@pytest.fixture(scope="module", params=sorted(HEADS))
def package(request, tmp_path_factory) -> ModelPackage:
    return write_tiny_detector(tmp_path_factory.mktemp("detector") / request.param, HEADS[request.param])


def cloud(count: int = 2000, seed: int = 0) -> PointCloud:
    """Clusters within the range, and some points beyond it."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform((0, -7, -2), (13, 7, 3), (20, 3))
    xyz_m = (middle[rng.integers(0, 20, count)] + rng.normal(0, 0.3, (count, 3))).astype(np.float32)
    return PointCloud(xyz_m, rng.uniform(0, 1, count).astype(np.float32), 5, "lidar_top")


def assert_same(found: Boxes3d, expected: Boxes3d, atol: float = 1e-4) -> None:
    assert found.frame_id == expected.frame_id
    np.testing.assert_array_equal(found.class_id, expected.class_id)
    for name in ("boxes", "score", "velocity_mps"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=atol)


def test_every_engine_finds_the_same_boxes_in_the_frame_of_the_cloud(package):
    fused, whole = Detector(package), Detector(package, "onnxruntime", threads=1)
    assert (fused.engine_name, whole.engine_name) == ("fused", "onnxruntime")
    found = fused.detect(cloud())
    assert 3 < len(found) <= 80
    assert found.frame_id == "lidar_top"
    assert (np.diff(found.score) <= 0).all()
    assert np.isnan(found.velocity_mps).all() == (package.path.name == "anchors")
    assert_same(whole.detect(cloud()), found)


def test_a_detector_gives_the_same_boxes_again_and_says_where_the_time_went(package):
    detector = Detector(package)
    detector.warm_up()
    found, timing_ms = detector.detect_timed(cloud())
    detector.detect(cloud(300, seed=3))
    assert_same(detector.detect(cloud()), found, atol=0)
    assert set(timing_ms) == {"voxels", "network", "boxes", "total"}
    assert timing_ms["total"] == pytest.approx(sum(timing_ms.values()) - timing_ms["total"])


@pytest.mark.parametrize("where", ["no points", "no returns", "not finite", "out of range"])
def test_a_cloud_with_nothing_in_range_has_no_boxes_and_no_error(package, where):
    xyz_m = {
        "no points": np.empty((0, 3)),
        "no returns": np.zeros((5, 3)),
        "not finite": np.full((5, 3), np.nan),
        "out of range": np.full((5, 3), 500.0),
    }[where].astype(np.float32)
    found = Detector(package).detect(PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, "lidar"))
    assert len(found) == 0
    assert found.frame_id == "lidar"


def test_points_on_the_own_vehicle_and_beams_that_met_nothing_are_not_looked_at(package):
    ego = EgoRegion(box_m=(0, -2, -2, 3, 2, 2))
    whole = cloud()
    own = ego.contains(whole.xyz_m)
    assert 0 < own.sum() < len(whole)
    without = PointCloud(whole.xyz_m[~own], whole.intensity[~own], 5, "lidar_top")
    lost = np.zeros((7, 3), np.float32)
    lost[::2] = np.nan
    with_lost = PointCloud(
        np.concatenate([lost, whole.xyz_m]), np.append(np.zeros(7, "f4"), whole.intensity), 5, "lidar_top"
    )
    expected = Detector(package).detect(without)
    assert_same(Detector(package, ego=ego).detect(with_lost), expected, atol=0)


def test_boxes_stand_in_the_frame_also_where_points_are_told_from_an_origin(package):
    detector, far = Detector(package), replace(cloud(), origin_m=(4e5, 5e6, 100.0), in_sensor_frame=False)
    near, moved = detector.detect(replace(far, origin_m=(0.0, 0.0, 0.0))), detector.detect(far)
    np.testing.assert_allclose(moved.boxes[:, :3] - near.boxes[:, :3], np.tile((4e5, 5e6, 100.0), (len(near), 1)))
    np.testing.assert_array_equal(moved.boxes[:, 3:], near.boxes[:, 3:])


def test_each_class_has_its_own_threshold_and_what_is_not_told_hides_nothing(package):
    detector = Detector(package)
    everything = detector.detect(cloud())
    certain = float(np.median(everything.score[everything.class_id == 1]))
    detector.set_limits({"car": 1.0, "person": certain})
    strict = detector.detect(cloud())
    assert (everything.class_id == 0).any()
    assert not (strict.class_id == 0).any()
    persons = strict.score[strict.class_id == 1]
    assert len(persons)
    assert persons.min() >= np.float32(certain)
    detector.set_limits({"car": 1.0})
    told = [int((found.class_id == 1).sum()) for found in (strict, everything, detector.detect(cloud()))]
    assert told[0] < told[1] <= told[2]  # cars that are not told hide no person
    assert_same(Detector(package, score_thresholds={"car": 1.0}).detect(cloud()), detector.detect(cloud()), atol=0)
    detector.set_limits()
    assert_same(detector.detect(cloud()), everything, atol=0)


def test_boxes_beyond_the_range_of_their_class_are_left_out(package):
    detector = Detector(package)
    everything = detector.detect(cloud())
    detector.set_limits(max_range_m={"person": 6.0})
    range_m = np.hypot(everything.boxes[:, 0], everything.boxes[:, 1])
    kept = (everything.class_id != 1) | (range_m <= 6.0)
    assert 0 < kept.sum() < len(kept)
    assert_same(detector.detect(cloud()), everything.taken(kept), atol=0)


@pytest.mark.parametrize(
    ("limits", "error", "told"),
    [
        ({"score_thresholds": {"tram": 0.5}}, BadLabels, "no class 'tram'. It has car, person, bicycle"),
        ({"score_thresholds": {"car": 1.5}}, BadConfig, "expected score and IoU in 0..1"),
        ({"max_range_m": {"car": -1.0}}, BadRequest, "max_range_m: expected metres above 0, found -1.0 for car"),
        ({"max_range_m": {"car": float("nan")}}, BadRequest, "expected metres above 0, found nan"),
    ],
)
def test_impossible_limits_are_refused_and_leave_the_old_ones(package, limits, error, told):
    detector = Detector(package, score_thresholds={"car": 0.9})
    before = detector.detect(cloud())
    with pytest.raises(error, match=told):
        detector.set_limits(**limits)
    assert_same(detector.detect(cloud()), before, atol=0)


def test_a_cloud_that_no_sensor_gives_is_refused(package):
    with pytest.raises(BadPointCloud, match="cloud of 11 points: expected at most 10"):
        Detector(package, max_points=10).detect(cloud(11))


def test_intensity_is_read_as_the_package_says_and_time_is_asked_for(tmp_path):
    plain = Detector(write_tiny_detector(tmp_path / "plain"))
    scaled = Detector(write_tiny_detector(tmp_path / "scaled", features=("intensity_255",)))
    dim = replace(cloud(), intensity=cloud().intensity / np.float32(255))
    assert_same(scaled.detect(dim), plain.detect(cloud()))
    timed = Detector(write_tiny_detector(tmp_path / "timed", features=("intensity", "time")))
    assert timed.reads_time
    timed.warm_up()
    with pytest.raises(BadPointCloud, match="expected the field time_lag_s"):
        timed.detect(cloud())
    now, before = (replace(cloud(), extra={"time_lag_s": np.full(2000, age_s)}) for age_s in (0.0, 0.4))
    assert len(timed.detect(now))
    assert not np.array_equal(timed.detect(now).score, timed.detect(before).score)


def test_a_package_of_another_task_is_refused_by_name(package, tmp_path):
    with pytest.raises(BadModelPackage, match="expected a package of task detection, found segmentation"):
        Detector(load_model_package(write_tiny_package(tmp_path / "tiny")))
    with pytest.raises(BadModelPackage, match="found one of task detection, which finds boxes"):
        Segmenter(package)


def test_an_engine_that_is_not_here_is_refused(package):
    with pytest.raises(EngineUnavailable, match="engine tensorrt"):
        Detector(package, "tensorrt")
