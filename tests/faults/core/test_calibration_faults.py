"""Transforms that are missing or wrong, and cameras that are not calibrated: refused with one line, never guessed."""

from types import SimpleNamespace

import numpy as np
import pytest

from lidar_vl_core.cameras.camera_info import camera_of
from lidar_vl_core.foundation.errors import BadCalibration, BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformTree

SECOND = 1_000_000_000
HERE = RigidTransform.identity()
THERE = RigidTransform(np.eye(3), np.array((1.0, 0.0, 0.0)))


def _tree() -> TransformTree:
    tree = TransformTree()
    tree.add("map", "base_link", 10 * SECOND, HERE)
    tree.add("map", "base_link", 11 * SECOND, THERE)
    tree.add("base_link", "lidar", None, THERE)
    tree.add("other_map", "drone", None, THERE)
    return tree


TRANSFORM_FAULTS = {
    "unknown target": lambda tree: tree.lookup("camera", "lidar", 10 * SECOND),
    "unknown source": lambda tree: tree.lookup("map", "radar", 10 * SECOND),
    "two separate trees": lambda tree: tree.lookup("drone", "lidar", 10 * SECOND),
    "before the first sample": lambda tree: tree.lookup("map", "lidar", 10 * SECOND - 1),
    "after the last sample (a late transform)": lambda tree: tree.lookup("map", "lidar", 11 * SECOND + 1),
    "hours away (another clock)": lambda tree: tree.lookup("map", "lidar", 1_700_000_000 * SECOND),
    "a loop": lambda tree: tree.add("lidar", "map", None, HERE),
    "a frame that is its own parent": lambda tree: tree.add("imu", "imu", None, HERE),
    "two parents": lambda tree: tree.add("odom", "base_link", 12 * SECOND, HERE),
    "static and moving at once": lambda tree: tree.add("base_link", "lidar", 12 * SECOND, HERE),
    "moving and static at once": lambda tree: tree.add("map", "base_link", None, HERE),
    "a frame without a name": lambda tree: tree.add("map", "", None, HERE),
    "one sample only, another time": lambda tree: (
        tree.add("map", "cart", 5, HERE),
        tree.lookup("map", "cart", 6),
    ),
    "fixed frame unknown": lambda tree: tree.lookup_between("lidar", 10 * SECOND, "base_link", 10 * SECOND, "odom"),
    "quaternion of zeros": lambda tree: tree.add("a", "b", 1, RigidTransform.from_quaternion((0, 0, 0, 0), (0, 0, 0))),
}


@pytest.mark.parametrize("fault", TRANSFORM_FAULTS)
def test_a_transform_fault_is_refused_and_the_tree_goes_on(fault):
    tree = _tree()
    with pytest.raises(BadTransform) as caught:
        TRANSFORM_FAULTS[fault](tree)
    assert len(str(caught.value)) > 30
    assert tree.lookup("map", "lidar", 10 * SECOND + SECOND // 2).translation_m.tolist() == [1.5, 0.0, 0.0]


def camera_info(**changes: object) -> SimpleNamespace:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
    good = {
        "width": 640,
        "height": 480,
        "distortion_model": "plumb_bob",
        "d": [0.1, -0.05, 0.001, 0.002, 0.0],
        "k": [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0],
        "binning_x": 0,
        "binning_y": 0,
        "roi": roi,
    }
    return SimpleNamespace(**(good | changes))


def _roi(**numbers: int) -> SimpleNamespace:
    return SimpleNamespace(**({"x_offset": 0, "y_offset": 0, "width": 0, "height": 0} | numbers))


NOT_CALIBRATED = {
    "K of zeros": {"k": [0.0] * 9},
    "K of eight numbers": {"k": [1.0] * 8},
    "K with NaN": {"k": [np.nan, 0, 320, 0, 510, 240, 0, 0, 1]},
    "negative focal length": {"k": [-500.0, 0, 320, 0, 510, 240, 0, 0, 1]},
    "K transposed": {"k": [500.0, 0, 0, 0, 510, 0, 320, 240, 1]},
    "K without its 1": {"k": [500.0, 0, 320, 0, 510, 240, 0, 0, 0]},
    "D of three for plumb_bob": {"d": [0.1, 0.2, 0.3]},
    "D of twelve": {"distortion_model": "rational_polynomial", "d": [0.01] * 12},
    "D of five for equidistant": {"distortion_model": "equidistant", "d": [0.1, 0, 0, 0, 0.1]},
    "no D for equidistant": {"distortion_model": "equidistant", "d": []},
    "D with Inf": {"d": [np.inf, 0, 0, 0, 0]},
    "D of absurd size": {"d": [1e300, 0, 0, 0, 0]},
    "unknown model": {"distortion_model": "thin_prism_fisheye"},
    "no model but coefficients": {"distortion_model": ""},
    "no width": {"width": 0},
    "a height of 2^32 - 1": {"height": 2**32 - 1},
    "region of interest beyond the image": {"roi": _roi(x_offset=600, width=100, height=100)},
    "region of interest without height": {"roi": _roi(width=100)},
    "binning that leaves no pixel": {"binning_x": 1000, "binning_y": 1000},
}


@pytest.mark.parametrize("fault", NOT_CALIBRATED)
def test_a_camera_info_that_is_no_calibration_is_refused(fault):
    with pytest.raises(BadCalibration) as caught:
        camera_of(camera_info(**NOT_CALIBRATED[fault]))
    assert "expected" in str(caught.value)


def test_the_good_camera_info_of_the_table_is_taken():
    camera = camera_of(camera_info())
    assert (camera.model, camera.width, camera.height) == ("plumb_bob", 640, 480)
