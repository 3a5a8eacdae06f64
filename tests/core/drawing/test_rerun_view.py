"""What Rerun is told, by a stand-in that notes it: the viewer itself opens a window."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.drawing.rerun_view import RerunView
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.tasks.point_labels import PointLabels

NUSCENES_16 = class_table("nuscenes16")


@pytest.fixture
def told(monkeypatch) -> list:
    notes: list = []
    stand_in = SimpleNamespace(
        init=lambda name, spawn: notes.append(("init", name, spawn)),
        set_time=lambda name, **when: notes.append((name, when)),
        log=lambda path, what, **options: notes.append((path, what, options)),
        AnnotationContext=lambda entries: entries,
        Points3D=lambda xyz_m, class_ids: (xyz_m, class_ids),
    )
    monkeypatch.setitem(sys.modules, "rerun", stand_in)
    return notes


def test_clouds_are_shown_with_their_classes_on_the_clock_of_the_recording(told) -> None:
    xyz_m = np.array([[1, 2, 3], [np.nan, 0, 0], [4, 5, 6]], np.float32)
    labels = PointLabels(np.array([3, 255, 10], np.uint8), np.zeros(3, np.float32), {})
    RerunView("street.mcap", NUSCENES_16).add(7, 2_500_000_000, PointCloud(xyz_m, xyz_m[:, 0] * 0, 0, "lidar"), labels)
    (init, (root, entries, static), *times, (_, (shown_m, class_id), _)) = told
    assert init == ("init", "lidar-vl: street.mcap", True)
    assert (root, static) == ("/", {"static": True})
    assert entries[3] == (3, "car", tuple(NUSCENES_16.colors_rgb[3].tolist()))
    assert entries[-1][:2] == (255, "no answer")
    assert times == [("frame", {"sequence": 7}), ("recorded", {"timestamp": 2.5})]
    assert_array_equal(shown_m, xyz_m[[0, 2]])
    assert_array_equal(class_id, [3, 10])


def test_without_the_package_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(BadRequest, match=r"needs the extra `rerun`: pip install 'lidar-vl\[rerun\]'"):
        RerunView("street.mcap", NUSCENES_16)
