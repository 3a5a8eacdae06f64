"""Sweeps whose coordinates are not what every network expects, metres with z up, are told, and no others."""

from types import SimpleNamespace

import numpy as np
import pytest

from lidar_vl_core.clouds.cloud_decoder import CloudDecoder
from lidar_vl_core.clouds.cloud_files import read_cloud_file
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import encode
from lidar_vl_core.clouds.sweep_statistics import frame_doubts


def street(beams: int = 32, sensor_m: float = 1.8, seed: int = 0) -> np.ndarray:
    """(N, 3) float32: the ground between two rows of houses, and the roof of the own vehicle."""
    rng = np.random.default_rng(seed)
    elevation = np.radians(np.linspace(-25, 15, beams))[:, None]
    azimuth = np.linspace(-np.pi, np.pi, 720, endpoint=False)[None, :]
    ways = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation) + 0 * azimuth], -1
    )
    with np.errstate(divide="ignore"):
        ground_m = np.where(ways[..., 2] < 0, -sensor_m / ways[..., 2], np.inf)
        house_m = 9.0 / np.abs(ways[..., 1])
    range_m = np.minimum(np.minimum(ground_m, house_m), 70.0) + rng.normal(0, 0.02, ways.shape[:2])
    roof = np.column_stack([rng.uniform(-1.5, 1.5, (4000, 2)), np.full(4000, -0.3)])
    return np.concatenate([(ways * range_m[..., None]).reshape(-1, 3), roof]).astype(np.float32)


def room(height_m: float, sensor_m: float) -> np.ndarray:
    """(N, 3) float32: points all over floor, ceiling and walls of a room, seen from a height."""
    rng = np.random.default_rng(1)
    faces = rng.uniform([-5, -5, -sensor_m], [5, 5, height_m - sensor_m], (20_000, 3))
    face = rng.integers(0, 4, 20_000)
    faces[face == 0, 2], faces[face == 1, 2] = -sensor_m, height_m - sensor_m
    faces[face == 2, 0] = 5.0
    faces[face == 3, 1] = -5.0
    return faces.astype(np.float32)


def doubts_of(xyz_m: np.ndarray) -> list[str]:
    return frame_doubts(PointCloud(xyz_m.astype(np.float32), np.zeros(len(xyz_m), np.float32), 0, ""))


@pytest.mark.parametrize("beams", [16, 32, 40, 64, 128])
@pytest.mark.parametrize("sensor_m", [0.0, 0.5, 1.8, 4.0])
def test_a_sweep_in_metres_with_z_up_raises_no_doubt(beams, sensor_m):
    assert doubts_of(street(beams, max(sensor_m, 0.5)) + np.float32([0, 0, 0.5 if sensor_m == 0 else 0])) == []


@pytest.mark.parametrize("beams", [16, 32, 40, 64, 128])
@pytest.mark.parametrize("turn", [(1, -1, -1), (-1, 1, -1)])
def test_a_sweep_of_a_sensor_mounted_upside_down_is_told(beams, turn):
    (told,) = doubts_of(street(beams) * np.float32(turn))
    assert "ground 1.7 m above the sensor" in told or "ground 1.9 m above the sensor" in told
    assert "x, -y, -z" in told


@pytest.mark.parametrize("sensor_m", [0.4, 1.2, 2.2])
def test_a_room_with_floor_and_ceiling_is_not_taken_for_upside_down(sensor_m):
    assert doubts_of(room(2.7, sensor_m)) == []


@pytest.mark.parametrize(("factor", "side"), [(1000, "farther"), (100, "farther"), (0.001, "nearer")])
def test_coordinates_that_cannot_be_metres_are_told(factor, side):
    (told,) = doubts_of(street() * np.float32(factor))
    assert "expected metres" in told
    assert side in told


def test_scenes_and_clouds_too_small_to_judge_raise_no_doubt():
    scene = PointCloud(street() * np.float32(1000), np.zeros(len(street()), np.float32), 0, "", in_sensor_frame=False)
    assert frame_doubts(scene) == []
    assert doubts_of(street()[:100] * 1000) == []
    assert doubts_of(np.zeros((5000, 3))) == []


def test_a_file_in_millimetres_is_told(tmp_path):
    np.savez(tmp_path / "mm.npz", xyz=(street() * 1000).astype(np.int32), intensity=np.ones(len(street())))
    assert any("Divide millimetres by 1000" in remark for remark in read_cloud_file(tmp_path / "mm.npz").remarks)


def test_a_topic_of_a_sensor_mounted_upside_down_is_told_once_and_after_clouds_without_points():
    decoder = CloudDecoder()
    x, y, z = (street() * np.float32([1, -1, -1])).T
    for points in (slice(0, 0), slice(None), slice(None)):
        layout = encode({"x": x[points], "y": y[points], "z": z[points]})
        decoder.decode(
            SimpleNamespace(**{**vars(layout), "data": layout.data.tobytes(), "fields": list(layout.fields)})
        )
    assert sum("expected z up" in note for note in decoder.notes) == 1
