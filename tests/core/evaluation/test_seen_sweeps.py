"""A recording unlike the training is told, one like it is not."""

from types import SimpleNamespace

import numpy as np
import pytest

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.sweep_statistics import STATISTICS, sweep_statistics
from lidar_vl_core.evaluation.seen_sweeps import SeenSweeps, statistics_with_confidence
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.model_packages.training_sweeps import TrainingSweeps, training_sweeps, unlike_training


def sweep(seed=0, height_m=1.8, turn_deg=360.0, scale=1.0, intensity=0.3):
    """Ground below the sensor and a wall around it."""
    rng = np.random.default_rng(seed)
    azimuth = np.radians(turn_deg) * (rng.random(6000) - 0.5)
    elevation = np.radians(rng.uniform(-25, 3, 6000))
    range_m = np.where(elevation < 0, np.minimum(height_m / np.sin(np.maximum(-elevation, 1e-3)), 40.0), 40.0)
    level_m = range_m * np.cos(elevation)
    xyz_m = np.stack([level_m * np.cos(azimuth), level_m * np.sin(azimuth), range_m * np.sin(elevation)], axis=1)
    values = np.full(6000, intensity, np.float32)
    return PointCloud((scale * xyz_m).astype(np.float32), values, 0, "lidar")


def answers(cloud, probability=0.9):
    return SimpleNamespace(
        class_id=np.zeros(len(cloud), np.uint8), probability=np.full(len(cloud), probability, np.float32)
    )


@pytest.fixture(scope="module")
def known():
    clouds = [sweep(seed, height_m=1.5 + 0.1 * seed, intensity=0.2 + 0.05 * seed) for seed in range(6)]
    return training_sweeps([statistics_with_confidence(cloud, answers(cloud)) for cloud in clouds])


def told(known, *clouds, probability=0.9):
    seen = SeenSweeps()
    for cloud in clouds:
        seen.add(cloud, answers(cloud, probability))
    return seen.warnings(known)


def test_the_numbers_are_those_of_the_scene():
    found = sweep_statistics(sweep())
    assert set(found) == set(STATISTICS)
    assert found["points"] == 6000
    assert found["ground_m"] == pytest.approx(-1.8, abs=0.01)
    assert found["steepest_down_deg"] == pytest.approx(-24.7, abs=0.5)
    assert found["seen_around"] == 1.0
    assert found["mean_intensity"] == pytest.approx(0.3)
    assert found["no_intensity"] == 0.0


def test_points_without_return_count_for_nothing():
    cloud = sweep()
    lost = np.full((6000, 3), np.nan, np.float32)
    both = PointCloud(np.concatenate([cloud.xyz_m, lost]), np.tile(cloud.intensity, 2), 0, "lidar")
    assert sweep_statistics(both) == sweep_statistics(cloud)
    assert sweep_statistics(PointCloud(lost, cloud.intensity, 0, "lidar")) == {}


def test_a_recording_like_the_training_is_not_told(known):
    assert told(known, sweep(90, height_m=1.75), sweep(91, height_m=1.9)) == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"height_m": 0.4}, "height of the ground"),
        ({"turn_deg": 90.0}, "directions around the sensor"),
        ({"scale": 1000.0}, "median range"),
        ({"intensity": 0.0}, "mean intensity"),
    ],
)
def test_a_recording_unlike_the_training_is_told_in_what(known, changes, name):
    (line,) = told(known, sweep(90, **changes))
    assert name in line
    assert "in training" in line


def test_little_confidence_is_told_and_much_is_not(known):
    assert "confidence" in told(known, sweep(90), probability=0.4)[0]
    assert told(known, sweep(90), probability=1.0) == []


def test_one_odd_sweep_among_many_is_no_odd_recording(known):
    assert told(known, *(sweep(seed) for seed in range(4)), sweep(5, height_m=0.3)) == []


def test_nothing_is_told_where_nothing_is_known():
    assert told(None, sweep(0, height_m=0.1)) == []
    assert unlike_training([{}], TrainingSweeps(sweeps=1, ranges={"points": (1.0, 2.0)})) == []


@pytest.mark.parametrize("ranges", [{"weight": [0.0, 1.0]}, {"points": [2.0, 1.0]}])
def test_ranges_that_mean_nothing_are_refused(ranges):
    with pytest.raises(BadConfig, match="ranges"):
        validated(TrainingSweeps, {"sweeps": 3, "ranges": ranges}, "manifest")
