"""Corrupted scans: what each cause does, that labels go with their points, and that heavier is worse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset, BadRequest
from offline_training.datasets.augment.corruptions import CORRUPTIONS, corrupt
from offline_training.datasets.augment.corruptions_weather import SEVERITIES
from offline_training.datasets.augment.point_augment import LabelledScan
from offline_training.datasets.lidar.nuscenes import KeyFrameFiles
from offline_training.evaluation.nuscenes_c import nuscenes_c_scans

NUSCENES_16 = class_table("nuscenes16")
SEMANTIC_KITTI_19 = class_table("semantic_kitti19")

CAR, ROAD, WALL, NOBODY = 3, 10, 14, 255
EMPTY = LabelledScan(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), np.zeros(0, np.uint8))


def _street(rings=True):
    """Road as a 32-beam sensor 1.8 m above it sees it, a ring of walls and a car."""
    azimuth, elevation = np.meshgrid(np.linspace(-np.pi, np.pi, 400, endpoint=False), np.linspace(-0.5, 0.15, 32))
    direction = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1
    ).reshape(-1, 3)
    to_road = np.where(direction[:, 2] < 0, -1.8 / np.minimum(direction[:, 2], -1e-9), np.inf)
    to_wall = 40.0 / np.hypot(direction[:, 0], direction[:, 1])
    range_m = np.minimum(to_road, to_wall)
    class_id = np.where(to_road < to_wall, ROAD, WALL).astype(np.uint8)
    car = (range_m > 8) & (np.abs(azimuth.ravel()) < 0.2) & (direction[:, 2] < 0.02)
    range_m[car], class_id[car] = 8.0, CAR
    xyz_m = (direction * range_m[:, None]).astype(np.float32)
    intensity = np.random.default_rng(0).uniform(0.02, 0.5, len(xyz_m)).astype(np.float32)
    ring = np.repeat(np.arange(32, dtype=np.uint8), 400) if rings else None
    return LabelledScan(xyz_m, intensity, class_id, ring)


STREET = _street()


def _corrupted(corruption, severity="moderate", seed=0, scan=STREET):
    return corrupt(scan, corruption, severity, np.random.default_rng(seed), NUSCENES_16)


def _untouched(scan, original=STREET):
    """How many points of the scan stand exactly where, and are of the class that, an original point is."""
    known = {(*xyz.tolist(), int(one)) for xyz, one in zip(original.xyz_m, original.class_id, strict=True)}
    return sum((*xyz.tolist(), int(one)) in known for xyz, one in zip(scan.xyz_m, scan.class_id, strict=True))


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_labels_go_with_their_points_and_what_is_no_surface_is_ignored(corruption, severity):
    found = _corrupted(corruption, severity)
    assert len(found.xyz_m) == len(found.intensity) == len(found.class_id) == len(found.ring)
    assert (found.xyz_m.dtype, found.intensity.dtype, found.class_id.dtype) == (np.float32, np.float32, np.uint8)
    assert np.isfinite(found.xyz_m).all()
    assert (found.intensity >= 0).all()
    assert (found.intensity <= 1).all()
    if corruption != "motion_blur":  # all others leave a labelled point where it was
        labelled = found.take(found.class_id != NOBODY)
        assert _untouched(labelled) == len(labelled) > 0


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_heavier_corruption_leaves_less_of_the_scene(corruption):
    if corruption == "motion_blur":
        left = [-np.abs(_corrupted(corruption, severity).xyz_m - STREET.xyz_m).mean() for severity in SEVERITIES]
    else:
        left = [int((_corrupted(corruption, severity).class_id != NOBODY).sum()) for severity in SEVERITIES]
    assert left[0] > left[1] > left[2]


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_the_same_seed_gives_the_same_scan_and_the_original_stays_as_it_is(corruption):
    before = [array.copy() for array in (STREET.xyz_m, STREET.intensity, STREET.class_id, STREET.ring)]
    first, again, other = (_corrupted(corruption, seed=seed) for seed in (1, 1, 2))
    assert_array_equal(first.xyz_m, again.xyz_m)
    assert_array_equal(first.class_id, again.class_id)
    assert_array_equal(first.intensity, again.intensity)
    assert len(first) != len(other) or (first.xyz_m != other.xyz_m).any()
    for array, kept in zip((STREET.xyz_m, STREET.intensity, STREET.class_id, STREET.ring), before, strict=True):
        assert_array_equal(array, kept)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_an_empty_cloud_and_a_point_in_the_sensor_are_no_trouble(corruption, severity):
    assert len(_corrupted(corruption, severity, scan=EMPTY)) == 0
    origin = LabelledScan(np.zeros((1, 3), np.float32), np.zeros(1, np.float32), np.array([CAR], np.uint8))
    assert np.isfinite(_corrupted(corruption, severity, scan=origin).xyz_m).all()


@pytest.mark.parametrize("corruption", ["beam_missing", "cross_sensor"])
def test_without_rings_the_beams_are_told_by_their_elevation(corruption):
    left = [len(_corrupted(corruption, severity, scan=_street(rings=False))) for severity in SEVERITIES]
    assert len(STREET) > left[0] > left[1] > left[2] > 0


def test_fog_swallows_what_is_far_and_shines_near_the_sensor():
    found = _corrupted("fog", "heavy")
    range_m = np.linalg.norm(found.xyz_m, axis=1)
    scene = found.class_id != NOBODY
    assert range_m[~scene].min() >= 1.5
    assert np.median(range_m[~scene]) < 10.0  # droplets that the light reaches and comes back from
    shares = [(scene & (found.class_id == one)).sum() / (STREET.class_id == one).sum() for one in (ROAD, WALL)]
    assert shares[0] > shares[1]  # the wall is 40 m away


def test_wet_ground_dims_the_road_and_nothing_else():
    found = _corrupted("wet_ground")
    assert (found.class_id == WALL).sum() > 0.95 * (STREET.class_id == WALL).sum()
    assert (found.class_id == ROAD).sum() < (STREET.class_id == ROAD).sum()
    road, dry = (scan.intensity[scan.class_id == ROAD].mean() for scan in (found, STREET))
    assert road < 0.8 * dry


def test_flakes_are_seen_near_the_sensor_only():
    found = _corrupted("snow", "heavy")
    flakes = found.take(found.class_id == NOBODY)
    assert 0.1 * len(STREET) < len(flakes) < 0.5 * len(STREET)
    assert np.linalg.norm(flakes.xyz_m, axis=1).max() <= 25.0


def test_air_echoes_and_stray_points_stay_on_the_ray_of_their_pulse():
    for corruption in ("fog", "snow", "crosstalk"):
        found = _corrupted(corruption)
        stray = found.take(found.class_id == NOBODY)
        directions = STREET.xyz_m / np.linalg.norm(STREET.xyz_m, axis=1)[:, None]
        nearest = (stray.xyz_m[:50] / np.linalg.norm(stray.xyz_m[:50], axis=1)[:, None]) @ directions.T
        assert_allclose(nearest.max(axis=1), 1.0, atol=1e-6)


def test_missing_beams_are_missing_wholly_and_half_the_shots_of_the_smaller_sensor_are_left():
    assert [len(np.unique(_corrupted("beam_missing", one).ring)) for one in SEVERITIES] == [24, 16, 8]
    assert [len(np.unique(_corrupted("cross_sensor", one).ring)) for one in SEVERITIES] == [24, 16, 8]
    assert len(_corrupted("beam_missing")) == 16 * 400
    assert len(_corrupted("cross_sensor")) == 8 * 400
    gaps = np.diff(np.unique(_corrupted("cross_sensor", "heavy").ring.astype(int)))
    assert set(gaps.tolist()) == {4}


def test_incomplete_echoes_strike_vehicles_dark_ones_first():
    found, cars = _corrupted("incomplete_echo", "light"), STREET.class_id == CAR
    assert (found.class_id == CAR).sum() == cars.sum() - int(0.75 * cars.sum())
    assert (found.class_id != CAR).sum() == (~cars).sum()
    assert found.intensity[found.class_id == CAR].mean() > STREET.intensity[cars].mean()
    kitti = LabelledScan(
        STREET.xyz_m, STREET.intensity, np.full(len(STREET), SEMANTIC_KITTI_19.id_of("truck"), np.uint8)
    )
    assert len(corrupt(kitti, "incomplete_echo", "heavy", np.random.default_rng(0), SEMANTIC_KITTI_19)) < 0.06 * len(
        STREET
    )


@pytest.mark.parametrize(("corruption", "severity"), [("rain", "light"), ("fog", "extreme"), ("", "")])
def test_a_name_that_is_none_is_refused_with_the_names_there_are(corruption, severity):
    with pytest.raises(BadRequest, match=r"wet_ground.*moderate"):
        _corrupted(corruption, severity)


# --- nuScenes-C as it is published --------------------------------------------------------------------------------

SWEEP, LABELS = "samples/LIDAR_TOP/a.pcd.bin", "lidarseg/v1.0-trainval/a_lidarseg.bin"


class Clean:
    """What is asked of the clean data set: where the files of its frames lie."""

    classes = NUSCENES_16

    def __init__(self, folder):
        self.folder = folder

    def __len__(self):
        return 1

    def files(self, index):
        return KeyFrameFiles("scene/a", "token", self.folder / SWEEP, self.folder / LABELS, ())


@pytest.fixture
def published(tmp_path):
    root = tmp_path / "nuScenes-C" / "fog" / "light"
    points = np.array([[1, 2, 3, 255, 0], [4, 5, 6, 51, 1], [7, 8, 9, 0, 2], [1, 1, 1, 9, 0]], np.float32)
    for name, values in ((SWEEP, points), (LABELS, np.array([17, 24, 41, 43], np.uint8))):
        (root / name).parent.mkdir(parents=True)
        values.tofile(root / name)
    return tmp_path / "nuScenes-C"


def test_published_files_come_as_scans_with_their_noise_ignored(published, tmp_path):
    (scan,) = nuscenes_c_scans(Clean(tmp_path / "nuscenes"), published, "fog", "light")
    assert scan.class_id.tolist() == [CAR, ROAD, NOBODY, NOBODY]
    assert_allclose(scan.xyz_m[0], [2, -1, 3])
    assert_allclose(scan.intensity[:3], [1.0, 0.2, 0.0])


def _cut_sweep(root):
    (root / "fog/light" / SWEEP).write_bytes(bytes(30))


def _one_label_less(root):
    np.array([17], np.uint8).tofile(root / "fog/light" / LABELS)


def _unknown_label(root):
    np.array([17, 99, 17, 17], np.uint8).tofile(root / "fog/light" / LABELS)


def _no_labels(root):
    (root / "fog/light" / LABELS).unlink()


@pytest.mark.parametrize("damage", [_cut_sweep, _one_label_less, _unknown_label, _no_labels])
def test_a_damaged_published_file_is_named_with_its_frame(published, tmp_path, damage):
    damage(published)
    with pytest.raises(BadDataset, match="scene/a"):
        list(nuscenes_c_scans(Clean(tmp_path), published, "fog", "light"))


def test_an_absent_corruption_says_which_layout_is_expected(published, tmp_path):
    with pytest.raises(BadDataset, match="samples/LIDAR_TOP"):
        list(nuscenes_c_scans(Clean(tmp_path), published, "snow", "heavy"))
