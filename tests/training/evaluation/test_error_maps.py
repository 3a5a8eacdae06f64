"""Error maps: what is wrong is red, what is right is grey, and an evaluation writes some of them."""

import numpy as np
import pytest

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.drawing.palette import RIGHT_RGB, WRONG_RGB, class_colors
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.lidar.semantic_kitti import SemanticKittiSource
from offline_training.evaluation.error_maps import error_map, write_error_maps
from tests.written.lidar_data_sets import write_kitti_like

NUSCENES_16 = class_table("nuscenes16")
SEMANTIC_KITTI_19 = class_table("semantic_kitti19")

CAR, BUS = NUSCENES_16.id_of("car"), NUSCENES_16.id_of("bus")


def _two_heaps() -> np.ndarray:
    """Points 10 m ahead, then points 10 m to the right."""
    rng = np.random.default_rng(0)
    heap = rng.uniform(-2, 2, (400, 3))
    return np.concatenate([heap + np.array([10, 0, 0]), heap + np.array([0, -10, 0])]).astype(np.float32)


def _share_of(pixels: np.ndarray, color: tuple[int, int, int]) -> float:
    return float((pixels == np.array(color, np.uint8)).all(axis=2).mean())


def test_truth_prediction_and_errors_stand_side_by_side():
    truth = np.repeat([CAR, CAR], 400).astype(np.uint8)
    prediction = np.repeat([CAR, BUS], 400).astype(np.uint8)
    pixels = np.asarray(error_map("a/0", _two_heaps(), prediction, truth, NUSCENES_16))
    panels = np.split(pixels[:560, : pixels.shape[1] // 3 * 3], 3, axis=1)
    colors = class_colors(NUSCENES_16)
    shares = [
        [_share_of(panel, tuple(color)) > 0.001 for color in (colors[CAR], colors[BUS], WRONG_RGB, RIGHT_RGB)]
        for panel in panels
    ]
    assert shares == [[True, False, False, False], [True, True, False, False], [False, False, True, True]]


def test_a_point_whose_truth_is_not_known_is_neither_right_nor_wrong():
    truth = np.full(800, 255, np.uint8)
    pixels = np.asarray(error_map("a/0", _two_heaps(), np.full(800, CAR, np.uint8), truth, NUSCENES_16))
    errors = pixels[30:550, -540:]
    assert _share_of(errors, WRONG_RGB) == _share_of(errors, RIGHT_RGB) == 0.0


def _nobody_but_cars(sample: Sample) -> np.ndarray:
    return np.zeros(len(sample.cloud), np.uint8)


def test_a_few_labelled_scans_of_each_data_set_are_drawn_and_one_without_labels_is_not(tmp_path):
    frames = tuple(f"{number:06d}" for number in range(9))
    write_kitti_like(tmp_path / "sequences" / "08", [10, 40, 0], frames)
    (tmp_path / "sequences" / "08" / "labels" / "000004.label").unlink()
    source = SemanticKittiSource(folder=str(tmp_path))
    written = write_error_maps(SEMANTIC_KITTI_19, _nobody_but_cars, [source], tmp_path / "pictures", per_source=3)
    assert [path.name for path in written] == ["semantic_kitti_08_000000.png", "semantic_kitti_08_000008.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    unlabelled = source.model_copy(update={"frames": ("000004",)})
    with pytest.raises(BadDataset, match="labelled"):
        write_error_maps(SEMANTIC_KITTI_19, _nobody_but_cars, [unlabelled], tmp_path / "more")
