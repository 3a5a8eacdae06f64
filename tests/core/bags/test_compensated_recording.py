"""Clouds of a recording brought to their stamps by the recorded motion, or left as they came with a warning."""

import numpy as np
import pytest

from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.clouds.cloud_decoder import POINT_TIME
from lidar_vl_core.clouds.labelled_message import cloud_message
from lidar_vl_core.clouds.point_cloud2 import encode
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from tests.written.ros_messages import tf, transform

S = 1_700_000_000_000_000_000
MS = 1_000_000
TF_TYPE = "tf2_msgs/msg/TFMessage"


def _pose(parent, child, stamp_ns, x_m):
    return tf(transform(parent, child, (x_m, 0, 0), stamp_ns=stamp_ns))


def _drive(path, with_motion=True, with_times=True):
    """Twenty metres a second; the wall stands at x = 30 m of the map. The sweep ends at its stamp, as Velodyne's do."""
    offset_s = np.linspace(-0.1, 0, 11).astype(np.float32)
    with BagWriter(path) as bag:
        bag.write("/tf_static", TF_TYPE, S, _pose("base_link", "lidar", S, 0.0))
        for sweep in range(1, 4):
            stamp_ns = S + sweep * 100 * MS
            if with_motion:
                for part in range(5 * sweep - 6, 5 * sweep + 1):
                    pose = _pose("odom", "base_link", S + part * 20 * MS, 20.0 * part * 0.02)
                    bag.write("/tf", TF_TYPE, stamp_ns, pose)
            x_m = 30 - 20 * (0.1 * sweep + offset_s)
            columns = {"x": x_m, "y": np.arange(11), "z": np.ones(11), "intensity": np.ones(11)}
            columns |= {"time": offset_s} if with_times else {}
            layout = encode({name: np.asarray(values, np.float32) for name, values in columns.items()})
            bag.write("/points", CLOUD_TYPE, stamp_ns, cloud_message(layout, stamp_ns, "lidar"))
    return path


def _clouds(path, compensate):
    with open_recording(path, compensate=compensate) as recording:
        return [frame.cloud for frame in recording.frames()], recording.warnings


def test_a_wall_that_the_car_drives_towards_is_flat_at_the_stamp_of_each_cloud(tmp_path):
    path = _drive(tmp_path / "run.mcap")
    clouds, warnings = _clouds(path, compensate=True)
    for sweep, cloud in enumerate(clouds, 1):
        np.testing.assert_allclose(cloud.xyz_m[:, 0], 30 - 2 * sweep, atol=1e-4)
        assert POINT_TIME not in cloud.extra
    assert warnings == []
    as_they_came, _ = _clouds(path, compensate=False)
    assert np.ptp(as_they_came[0].xyz_m[:, 0]) == pytest.approx(2.0, abs=1e-4)


@pytest.mark.parametrize(
    ("drive", "told"),
    [
        ({"with_motion": False}, "motion of lidar: expected a moving transform above it"),
        ({"with_times": False}, "time of each point: expected a field of one of the names"),
    ],
)
def test_without_motion_or_times_the_clouds_stay_as_they_came_which_is_told_once(tmp_path, drive, told):
    clouds, warnings = _clouds(_drive(tmp_path / "run.mcap", **drive), compensate=True)
    assert np.ptp(clouds[0].xyz_m[:, 0]) == pytest.approx(2.0, abs=1e-4)
    (warning,) = warnings
    assert warning.startswith(f"clouds without motion compensation: {told}")
    assert warning.endswith("(3 times)")
