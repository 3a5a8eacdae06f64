"""Pictures of an evaluation by words: coloured sweeps, scenes drawn, confusions."""

import io

import numpy as np
import pytest

import offline_training.words.evaluation.answers as answers
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample
from offline_training.words.evaluation.coloured_sweep import coloured_sweep
from offline_training.words.evaluation.oblique_view import oblique_view
from offline_training.words.evaluation.pictures import confusion_picture, scene_picture, write_language_pictures
from tests.training.words.evaluation.tiny_rooms import ROOMS, room


def test_a_sweep_gets_the_colours_of_the_pixels_that_see_it_and_grey_elsewhere():
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :30], picture[:, 30:] = (200, 0, 0), (0, 0, 200)
    camera = CameraModel(60, 40, np.array([[30.0, 0, 29.5], [0, 30.0, 19.5], [0, 0, 1]]))
    T_cam_lidar = RigidTransform(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), np.zeros(3))
    view = CameraView("front", camera, T_cam_lidar, 0, lambda: picture)
    xyz_m = np.array([[5, 2, 0], [5, -2, 0], [-5, 0, 0], [np.nan, 0, 0]], np.float32)
    cloud = PointCloud(xyz_m, np.zeros(4, np.float32), 0, "lidar")
    sample = coloured_sweep(Sample("sweep", cloud, None, ROOMS, (view,)))
    assert sample.cloud.extra["rgb"].tolist() == [[200, 0, 0], [0, 0, 200], [128] * 3, [128] * 3]
    assert coloured_sweep(sample) is sample


def test_of_points_on_one_pixel_the_nearest_to_the_viewer_is_drawn():
    axis_m = np.linspace(0, 1, 60, dtype=np.float32)
    x, y = (grid.ravel() for grid in np.meshgrid(axis_m, axis_m))
    table_top, below = np.stack([x, y, 0 * x + 1], axis=1), np.stack([x, y, 0 * x + 0.99], axis=1)
    xyz_m = np.concatenate([table_top, below, [[np.nan] * 3]]).astype(np.float32)
    colors = np.zeros((len(xyz_m), 3), np.uint8)
    colors[: len(table_top), 0], colors[len(table_top) :, 2] = 255, 255
    picture = np.asarray(oblique_view(xyz_m, colors, 120))
    assert picture.shape == (90, 120, 3)
    red, blue = (np.all(picture == color, axis=2).sum() for color in ((255, 0, 0), (0, 0, 255)))
    assert red > 1000
    assert blue < red / 10


def test_an_empty_cloud_is_a_white_picture():
    assert (np.asarray(oblique_view(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8))) == 255).all()


@pytest.mark.parametrize("colored", [True, False])
def test_a_scene_is_drawn_as_input_truth_baseline_and_ours(colored):
    sample = room(np.tile([0, 1, 255], 100), colored=colored)
    both = {"2D average": lambda sample: sample.class_id, "ours": lambda sample: np.zeros(300, np.uint8)}
    picture = scene_picture(sample, sample.class_id, both, ROOMS)
    assert picture.width > 4 * 400


def test_pictures_are_written_for_labelled_scenes_or_refused(config, monkeypatch, tmp_path):
    import offline_training.words.evaluation.pictures as pictures

    monkeypatch.setattr(answers, "scene_answers", lambda *_: lambda sample: sample.class_id)
    samples = [room(np.array([0, 1, 1]), "a/b")]
    monkeypatch.setattr(pictures, "labelled_samples", lambda source, classes: iter(samples))
    written = write_language_pictures(config, tmp_path, tmp_path)
    assert [path.name for path in written] == ["synthetic_rooms_a_b.png"]
    monkeypatch.setattr(pictures, "labelled_samples", lambda source, classes: iter([]))
    with pytest.raises(BadDataset, match="labelled scenes to draw"):
        write_language_pictures(config, tmp_path, tmp_path)


def test_a_confusion_matrix_is_drawn_with_its_points_without_an_answer():
    from PIL import Image

    content = confusion_picture(
        {"confusion": [[3, 1], [0, 2]], "no_answer_per_class": {"wall": 0, "floor": 2}}, ["wall", "floor"], "rooms"
    )
    assert Image.open(io.BytesIO(content)).width > 100
