"""Pictures encoded in a thread of their own: of each camera the newest, whatever happens to one of them. No graph here."""

import threading
import time

import numpy as np
import pytest
from lidar_vl_ros.health.ensemble_health import EnsembleHealth
from lidar_vl_ros.health.health import OK, WARN
from lidar_vl_ros.tasks.picture_tower import PictureTower

from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_core.foundation.errors import BadImage
from lidar_vl_core.tasks.ensemble.picture_features import PictureFeatures


class Encoder:
    """Encodes at once unless its gate is shut; a picture's red tells its number."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.seen: list[int] = []
        self.entered = threading.Event()

    def __call__(self, rgb: np.ndarray) -> PictureFeatures:
        self.seen.append(int(rgb[0, 0, 0]))
        self.entered.set()
        assert self.gate.wait(30)
        if rgb[0, 0, 0] == 13:
            raise ValueError("thirteen")
        return PictureFeatures(np.zeros((2, 1, 1), np.float32), (1, 1))


@pytest.fixture
def encoder():
    return Encoder()


@pytest.fixture
def failures():
    return []


@pytest.fixture
def tower(encoder, failures):
    tower = PictureTower(encoder, failures.append)
    yield tower
    encoder.gate.set()
    assert tower.stop()


def _put(tower, name, number):
    tower.put(name, Paired(number, None), lambda: np.full((1, 1, 3), number, np.uint8))


def _until(condition):
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.002)


def _stamps(tower):
    return {name: picture.paired.stamp_ns for name, picture in tower.finished().items()}


def test_nothing_is_encoded_before_a_cloud_asks(tower, encoder):
    _put(tower, "front", 1)
    time.sleep(0.02)
    assert encoder.seen == []
    tower.ask()
    _until(lambda: _stamps(tower) == {"front": 1})


def test_of_each_camera_the_newest_picture_is_encoded_and_the_others_counted(tower, encoder):
    encoder.gate.clear()
    _put(tower, "front", 1)
    tower.ask()
    assert encoder.entered.wait(30)
    for number in (2, 3, 4):
        _put(tower, "front", number)
        tower.ask()
    _put(tower, "rear", 5)
    assert tower.state().working_s > 0
    encoder.gate.set()
    _until(lambda: _stamps(tower) == {"front": 4, "rear": 5})
    assert encoder.seen == [1, 4, 5]
    state = tower.state()
    assert (state.encoded, state.overtaken, state.failed) == (3, 2, 0)


def test_a_picture_that_comes_while_the_set_is_in_work_is_taken_where_its_camera_waits(tower, encoder):
    encoder.gate.clear()
    _put(tower, "front", 1)
    _put(tower, "rear", 2)
    tower.ask()
    assert encoder.entered.wait(30)
    _put(tower, "rear", 3)
    encoder.gate.set()
    _until(lambda: _stamps(tower) == {"front": 1, "rear": 3})
    assert encoder.seen == [1, 3]


def test_pictures_of_a_set_are_there_one_by_one(tower, encoder):
    _put(tower, "front", 1)
    _put(tower, "rear", 2)
    tower.put("left", Paired(3, None), lambda: encoder.gate.clear() or np.full((1, 1, 3), 3, np.uint8))
    tower.ask()
    _until(lambda: _stamps(tower) == {"front": 1, "rear": 2})
    assert tower.state().working_s > 0
    encoder.gate.set()
    _until(lambda: _stamps(tower) == {"front": 1, "rear": 2, "left": 3})


def test_a_picture_that_cannot_be_decoded_keeps_no_other_from_being_encoded(tower, failures):
    def broken():
        raise BadImage("cut")

    tower.put("front", Paired(1, None), broken)
    _put(tower, "rear", 2)
    tower.ask()
    _until(lambda: _stamps(tower) == {"rear": 2})
    assert failures == []


def test_an_exception_ends_a_set_and_the_next_one_is_tried(tower, failures):
    _put(tower, "front", 13)
    tower.ask()
    _until(lambda: failures)
    assert (str(failures[0]), tower.state().failed, tower.state().working_s) == ("thirteen", 1, 0.0)
    _put(tower, "front", 2)
    tower.ask()
    _until(lambda: _stamps(tower) == {"front": 2})


def test_a_tower_that_is_stopped_in_its_work_begins_no_other_set(encoder, failures):
    tower = PictureTower(encoder, failures.append)
    encoder.gate.clear()
    _put(tower, "front", 1)
    tower.ask()
    assert encoder.entered.wait(30)
    _put(tower, "front", 2)
    tower.ask()
    threading.Timer(0.05, encoder.gate.set).start()
    assert tower.stop()
    assert encoder.seen == [1]


def test_the_verdict_on_the_ensemble_tells_age_share_and_why_pictures_had_no_say():
    health = EnsembleHealth()
    assert health.report({}, None).message == "no clouds to label"
    health.named({"front": 120.0, "rear": -300.0}, 0.25)
    report = health.report({"encoded": "7"}, None)
    assert (report.level, report.message) == (OK, "images from -300 ms before the cloud label 25% of its points")
    assert report.values["age_ms front"] == "120"
    assert report.values["encoded"] == "7"
    health.named({"front": 10.0}, 0.5)
    health.alone("too old")
    report = health.report({}, None)
    assert (report.level, report.message) == (WARN, "1 of 2 clouds labelled by the network alone: too old")
    assert health.report({}, None).level == OK
    assert health.report({}, 7.0).message == "the image encoder has been working on one set of images for 7 s"
