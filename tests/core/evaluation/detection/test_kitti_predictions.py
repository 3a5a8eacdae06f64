"""Boxes of the LiDAR's frame as predictions of KITTI, and back through the official score."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.kitti import boxes_of_kitti
from lidar_vl_core.boxes.kitti_objects import DONT_CARE, read_kitti_folder, read_kitti_objects
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.detection.kitti import kitti_scores
from lidar_vl_core.evaluation.detection.kitti_predictions import (
    KittiCamera,
    kitti_predictions,
    write_kitti_predictions,
)
from lidar_vl_core.evaluation.detection.kitti_rules import overlaps
from lidar_vl_core.foundation.errors import BadBoxes, BadCalibration, BadLabels
from lidar_vl_core.geometry.rigid_transform import RigidTransform

CLASSES = ClassTable("kitti", ("car", "pedestrian", "cyclist"), np.zeros((3, 3), np.uint8))
FORWARD = RigidTransform(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), np.zeros(3))
P2 = np.array([[700.0, 0, 600, 0], [0, 700, 180, 0], [0, 0, 1, 0]])
CAMERA = KittiCamera(FORWARD, P2, 1242, 375)


def _cars(*rows: tuple[float, ...], score: float = 0.5) -> Boxes3d:
    return Boxes3d.of(np.array(rows), np.zeros(len(rows)), np.full(len(rows), score))


def test_a_car_ahead_has_the_box_of_its_corners() -> None:
    found = kitti_predictions(_cars((20.0, 2.0, -1.0, 4.0, 2.0, 1.4, 0.0)), CLASSES, CAMERA)
    assert found.kind.tolist() == ["Car"]
    np.testing.assert_allclose(found.size_hwl_m, [[1.4, 2.0, 4.0]])
    np.testing.assert_allclose(found.bottom_m, [[-2.0, 1.7, 20.0]], atol=1e-12)
    np.testing.assert_allclose(found.turned_rad, [-np.pi / 2])
    np.testing.assert_allclose(found.alpha_rad, [-np.pi / 2 + np.arctan2(2.0, 20.0)])
    # Near corners at 18 m, the right lower one of the near face nearest to the middle.
    left, right = 600 - 700 * 3.0 / 18.0, 600 - 700 * 1.0 / 22.0
    np.testing.assert_allclose(found.bbox_px, [[left, 180 + 700 * 0.3 / 22.0, right, 180 + 700 * 1.7 / 18.0]])
    assert (found.truncated.tolist(), found.occluded.tolist(), found.score.tolist()) == ([-1.0], [-1], [0.5])


def test_boxes_behind_beside_and_of_no_class_are_left_out_and_one_at_the_edge_is_cut() -> None:
    boxes = Boxes3d.of(
        [
            [-20.0, 0, -1, 4, 2, 1.5, 0],
            [10.0, 40, -1, 4, 2, 1.5, 0],
            [20.0, 0, -1, 4, 2, 1.5, 0],
            [3.0, 3, -1, 8, 2, 1.5, 0],
        ],
        [0, 0, 255, 0],
    )
    found = kitti_predictions(boxes, CLASSES, CAMERA)
    assert found.bottom_m.round(6).tolist() == [[-3.0, 1.75, 3.0]]
    assert found.bbox_px[0, [0, 3]].tolist() == [0.0, 374.0]


def test_nothing_found_makes_an_empty_file(tmp_path: Path) -> None:
    nothing = kitti_predictions(Boxes3d.of(np.zeros((0, 7)), []), CLASSES, CAMERA)
    write_kitti_predictions(tmp_path, {"000000": nothing, "000001": nothing})
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["", ""]
    assert set(read_kitti_folder(tmp_path)) == {"000000", "000001"}


def test_what_kitti_would_not_take_is_refused() -> None:
    with pytest.raises(BadLabels, match="found bus"):
        kitti_predictions(_cars(), ClassTable("own", ("car", "bus"), np.zeros((2, 3), np.uint8)), CAMERA)
    with pytest.raises(BadBoxes, match="score: expected 0 to 1, found 2"):
        kitti_predictions(_cars((9.0, 0, 0, 1, 1, 1, 0), score=2.0), CLASSES, CAMERA)
    with pytest.raises(BadCalibration, match="P2: expected 3 x 4"):
        KittiCamera(FORWARD, P2[:, :3], 1242, 375)


def test_the_labels_of_real_pictures_come_back_as_they_were(real_data: Path, tmp_path: Path) -> None:
    training = real_data / "kitti_object" / "training"
    kinds = ("Car", "Pedestrian", "Cyclist", "Van", "Truck", "Misc")
    table = ClassTable("kitti", kinds, np.zeros((len(kinds), 3), np.uint8))
    truth, compared = {}, 0
    for path in sorted((training / "label_2").glob("*.txt")):
        labels = read_kitti_objects(path)
        truth[path.stem] = labels
        objects = labels.taken(labels.kind != DONT_CARE)
        camera = _real_camera(training, path.stem)
        rows = np.column_stack([objects.size_hwl_m, objects.bottom_m, objects.turned_rad])
        boxes = Boxes3d.of(boxes_of_kitti(rows, camera.T_cam_lidar), [kinds.index(kind) for kind in objects.kind])
        found = kitti_predictions(boxes, table, camera)
        write_kitti_predictions(tmp_path, {path.stem: found})
        assert len(found) == len(objects)
        np.testing.assert_allclose(found.bottom_m, objects.bottom_m, atol=1e-6)
        assert np.abs(np.sin(found.alpha_rad - objects.alpha_rad)).max() < 0.05
        whole = (objects.truncated == 0) & (objects.kind != "Misc")
        assert np.diagonal(overlaps(found, objects)["2d"])[whole].min() > 0.8
        compared += int(whole.sum())
    assert compared >= 15
    scores = kitti_scores(truth, read_kitti_folder(tmp_path))
    assert scores.by_class["Car"]["3d"]["moderate"].precision[0] == 1.0


def _real_camera(training: Path, name: str) -> KittiCamera:
    lines = (training / "calib" / f"{name}.txt").read_text().splitlines()
    numbers = {
        key: np.array(values.split(), float) for key, _, values in (line.partition(":") for line in lines) if key
    }
    rectify = RigidTransform.from_matrix(np.column_stack([numbers["R0_rect"].reshape(3, 3), np.zeros(3)]))
    T_cam_lidar = rectify @ RigidTransform.from_matrix(numbers["Tr_velo_to_cam"].reshape(3, 4))
    with Image.open(training / "image_2" / f"{name}.png") as picture:
        return KittiCamera(T_cam_lidar, numbers["P2"].reshape(3, 4), *picture.size)
