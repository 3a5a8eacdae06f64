"""A model that reads colours on a recording: in those of its clouds, else of its pictures, else refused with what it needs."""

from types import SimpleNamespace

import numpy as np
import pytest

from lidar_vl_core.bags.recording import RecordedFrame
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.recordings.answers import LabelAnswers
from lidar_vl_core.foundation.errors import BadCalibration, BadRequest
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.tasks.coloured_by_pictures import coloured_by_pictures

CAMERA = CameraModel(60, 40, np.array([[30.0, 0, 29.5], [0, 30.0, 19.5], [0, 0, 1]]))
T_CAM_LIDAR = RigidTransform(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), np.zeros(3))
CLOUD = PointCloud(np.array([[5, 0, 0], [-5, 0, 0]], np.float32), np.zeros(2, np.float32), 0, "lidar")


class Seen:
    """A segmenter that keeps the clouds it is shown."""

    reads_colours, package = True, SimpleNamespace(manifest=SimpleNamespace(name="my_words"))

    def __init__(self) -> None:
        self.clouds: list[PointCloud] = []

    def warm_up(self) -> None:
        pass

    def segment(self, cloud: PointCloud) -> object:
        self.clouds.append(cloud)
        return object()


def view(rgb: np.ndarray, name: str = "front") -> CameraView:
    return CameraView(name, CAMERA, T_CAM_LIDAR, 0, lambda: rgb)


def red(height: int = 40) -> np.ndarray:
    return np.full((height, 60, 3), (200, 0, 0), np.uint8)


def asked(cloud: PointCloud, views: tuple[CameraView, ...], cameras: int) -> tuple[Seen, LabelAnswers]:
    segmenter, recording = Seen(), SimpleNamespace(cameras=["front"] * cameras, warnings=[])
    answers = LabelAnswers(segmenter, recording, ensemble=False)
    answers.of(RecordedFrame(0, cloud, views, 0))
    return segmenter, answers


def test_a_sweep_is_seen_in_the_colours_of_its_pictures():
    segmenter, answers = asked(CLOUD, (view(red()),), 1)
    assert segmenter.clouds[0].extra["rgb"].tolist() == [[200, 0, 0], [128] * 3]
    assert answers.warnings == []


def test_a_coloured_cloud_keeps_its_own():
    own = PointCloud(CLOUD.xyz_m, CLOUD.intensity, 0, "lidar", extra={"rgb": np.full((2, 3), 7, np.uint8)})
    assert asked(own, (view(red()),), 1)[0].clouds == [own]


def test_without_any_colours_the_error_names_what_the_model_needs():
    with pytest.raises(BadRequest, match="model my_words, which reads colours: expected coloured clouds, or cameras"):
        asked(CLOUD, (), 0)


def test_clouds_without_pictures_and_pictures_of_another_size_are_told():
    segmenter, answers = asked(CLOUD, (), 1)
    assert segmenter.clouds[0].extra["rgb"].tolist() == [[128] * 3] * 2
    assert answers.warnings == ["cloud without images to colour it, labelled as if it were all grey (1 times)"]
    _, answers = asked(CLOUD, (view(red(20)), view(red(), "side")), 1)
    assert answers.warnings[0].startswith("image of front left out: ")
    with pytest.raises(BadCalibration):
        coloured_by_pictures(CLOUD, (view(red(20)),))
