"""Every value in the files of a data set replaced by a wrong one: what comes out is a sample, or one typed line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.boxes.nuscenes import NuScenesBoxes
from offline_training.datasets.boxes.pandaset import PandaSetBoxes
from offline_training.datasets.lidar.nuscenes import NuScenes
from offline_training.datasets.lidar.pandaset import PandaSet
from offline_training.datasets.lidar.semantic_kitti import SemanticKitti
from tests.written.box_data_sets import cuboid, nuscenes_annotation, write_nuscenes_boxes, write_pandaset_boxes
from tests.written.lidar_data_sets import write_kitti_like, write_nuscenes, write_pandaset
from tests.written.wrong_values import with_wrong_arrays, with_wrong_values

TABLES = ("scene", "sample", "sensor", "calibrated_sensor", "sample_data", "ego_pose", "lidarseg")
BOX_TABLES = ("instance", "category", "sample_annotation", "sample", "sample_data")


def read_all(opened: Callable[[], object]) -> None:
    """Every sample and image, or BadDataset of one line."""
    told = ""
    try:
        data_set = opened()
        for index in range(len(data_set)):
            for view in getattr(data_set[index], "views", ()):
                view.load_rgb()
    except BadDataset as error:
        told = str(error)
    assert "\n" not in told
    assert len(told) < 1500


def replace_each(path: Path, opened: Callable[[], object]) -> None:
    for change, content in with_wrong_values(json.loads(path.read_text())):
        path.write_text(json.dumps(content))
        try:
            read_all(opened)
        except Exception as error:
            raise AssertionError(f"{path.name} with {change}: {error!r}") from error


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("table", TABLES)
def test_any_wrong_value_in_a_table_of_nuscenes_is_read_or_refused(table, tmp_path):
    folder = write_nuscenes(tmp_path, "v1.0-mini", {"scene-0103": 1}, points=20)
    replace_each(folder / "v1.0-mini" / f"{table}.json", lambda: NuScenes(folder, "v1.0-mini"))


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("table", BOX_TABLES)
def test_any_wrong_value_in_a_table_of_boxes_is_read_or_refused(table, tmp_path):
    boxes = [nuscenes_annotation(f"car-{key}", key, "car", (120.0, 3.0, 0.75)) for key in ("key-0", "key-1")]
    folder = write_nuscenes_boxes(tmp_path, {"car": "vehicle.car"}, boxes)
    replace_each(folder / "v1.0-mini" / f"{table}.json", lambda: NuScenesBoxes(folder, "v1.0-mini", sweeps=2))


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_any_wrong_value_in_pandasets_poses_and_cuboids_is_read_or_refused(tmp_path):
    write_pandaset(tmp_path)
    replace_each(tmp_path / "meta.json", lambda: PandaSet(tmp_path))
    folder = write_pandaset_boxes(tmp_path / "boxes", {"00": [cuboid("a" * 8, (1.0, 2.0, 3.0))]})
    replace_each(folder / "annotations" / "00.cuboids.json", lambda: PandaSetBoxes(folder))


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_any_wrong_array_of_a_scan_of_pandaset_is_read_or_refused(tmp_path):
    write_pandaset(tmp_path)
    path = tmp_path / "lidar" / "01.npz"
    with np.load(path) as file:
        arrays = dict(file)
    for change, other in with_wrong_arrays(arrays):
        np.savez(path, **other)
        try:
            read_all(lambda: PandaSet(tmp_path))
        except Exception as error:
            raise AssertionError(f"{change}: {error!r}") from error


@pytest.mark.parametrize(
    ("table", "key", "named"),
    [
        ("sample", "scene_token", "scene.json"),
        ("calibrated_sensor", "sensor_token", "sensor.json"),
        ("sample_data", "calibrated_sensor_token", "calibrated_sensor.json"),
        ("sample_data", "sample_token", "sample.json"),
    ],
)
def test_a_token_that_names_no_record_is_told_and_nothing_passed_over(table, key, named, tmp_path):
    folder = write_nuscenes(tmp_path, "v1.0-mini", {"scene-0103": 2}, points=20)
    path = folder / "v1.0-mini" / f"{table}.json"
    records = json.loads(path.read_text())
    records[1][key] = "lost"
    path.write_text(json.dumps(records))
    with pytest.raises(BadDataset, match=rf"{named}: expected the record 'lost' that .* refers to, found none"):
        NuScenes(folder, "v1.0-mini")


def test_a_key_frame_without_any_shot_is_named_and_not_left_out(tmp_path):
    folder = write_nuscenes(tmp_path, "v1.0-mini", {"scene-0103": 2}, points=20)
    path = folder / "v1.0-mini" / "sample_data.json"
    path.write_text(
        json.dumps([each for each in json.loads(path.read_text()) if each["sample_token"] != "scene-0103-1"])
    )
    data_set = NuScenes(folder, "v1.0-mini")
    assert len(data_set) == 2
    with pytest.raises(BadDataset, match="scene-0103/scene-0103-1: expected a key frame of LIDAR_TOP"):
        data_set[1]


def test_an_intensity_that_is_no_number_counts_as_0_in_every_data_set(tmp_path):
    folder = write_nuscenes(tmp_path / "nuscenes", "v1.0-mini", {"scene-0103": 1}, points=20)
    _spoil_intensity(next(folder.rglob("*.pcd.bin")), 5)
    kitti = write_kitti_like(tmp_path / "kitti" / "sequences" / "00", [10] * 20).parents[1]
    _spoil_intensity(kitti / "sequences/00/velodyne/000000.bin", 4)
    for data_set in (NuScenes(folder, "v1.0-mini"), SemanticKitti(kitti)):
        intensity = data_set[0].cloud.intensity
        assert intensity[:2].tolist() == [0.0, 0.0]
        assert intensity[-1] == 1.0


def _spoil_intensity(path: Path, columns: int) -> None:
    rows = np.fromfile(path, np.float32).reshape(-1, columns)
    rows[:2, 3] = np.nan, -np.inf
    rows.tofile(path)
