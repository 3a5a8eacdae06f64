"""The ring of a black box: the last seconds, within a limit of bytes, and what was told once for all."""

import pytest

from lidar_vl_core.black_box.message_ring import MessageRing, RawMessage

CLOUD, INFO, TF = "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"
S = 1_000_000_000


def message(at_s, topic="/points", type_name=CLOUD, cdr=b"x" * 1000):
    return RawMessage(topic, type_name, round(at_s * S), cdr)


def test_the_last_seconds_are_remembered_and_no_older_ones():
    ring = MessageRing(2.0, 1 << 30)
    for at_s in range(10):
        ring.add(message(at_s))
    assert [each.stamp_ns // S for each in ring.last_seconds()] == [7, 8, 9]
    assert (ring.seconds, ring.forgotten_early) == (2.0, 0)


def test_the_ring_never_holds_more_bytes_than_allowed():
    ring = MessageRing(1000.0, 10_000)
    for at_s in range(100):
        ring.add(message(at_s))
        assert ring.size <= 10_000
    assert len(ring.last_seconds()) == 7
    assert ring.forgotten_early == 93


def test_a_message_above_the_limit_is_not_kept():
    ring = MessageRing(10.0, 500)
    ring.add(message(0.0))
    assert ring.last_seconds() == []
    assert ring.size == 0


def test_static_transforms_and_the_last_calibration_outlive_the_seconds():
    ring = MessageRing(2.0, 1 << 30)
    ring.add(message(0, "/tf_static", TF, b"lidar"))
    ring.add(message(0, "/tf_static", TF, b"camera"))
    ring.add(message(0, "/tf_static", TF, b"lidar"))  # told again by a node that started anew
    ring.add(message(0, "/camera_info", INFO, b"old"))
    ring.add(message(1, "/camera_info", INFO, b"newer"))
    ring.add(message(9))
    held = ring.last_seconds()
    assert [each.cdr for each in held[:-1]] == [b"camera", b"lidar", b"newer"]
    assert {each.stamp_ns for each in held} == {9 * S}


def test_a_clock_that_was_set_back_begins_anew():
    ring = MessageRing(100.0, 1 << 30)
    ring.add(message(0, "/tf_static", TF))
    ring.add(message(50))
    ring.add(message(3))
    assert [each.topic for each in ring.last_seconds()] == ["/tf_static", "/points"]


@pytest.mark.parametrize("with_static", [True, False])
def test_an_emptied_ring_counts_no_bytes(with_static):
    ring = MessageRing(2.0, 1 << 30)
    for at_s in range(5):
        ring.add(message(at_s))
        ring.add(message(at_s, "/camera_info", INFO, b"info"))
        if with_static:
            ring.add(message(at_s, "/tf_static", TF, b"%d" % at_s))
    ring.clear()
    assert (ring.last_seconds(), ring.size, ring.seconds) == ([], 0, 0.0)
