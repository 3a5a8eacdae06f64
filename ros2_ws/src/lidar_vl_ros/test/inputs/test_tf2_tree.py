"""Transforms by tf2 where it is installed and by ours elsewhere: the same answers and the same errors."""

from types import SimpleNamespace

import numpy as np
import pytest
from lidar_vl_ros.inputs.tf2_tree import Tf2Tree, open_tree, rigid_transform, transform_message

from lidar_vl_core.foundation.errors import BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformToCome, TransformTree

S = 1_000_000_000
START_NS = 1_700_000_000 * S
ANSWER = RigidTransform.from_quaternion((0.0, 0.0, 1.0, 0.0), (7.0, 8.0, 9.0))


class _TransformError(Exception):
    pass


class _Buffer:
    """As tf2_py.BufferCore: knows one answer until it is cleared."""

    def __init__(self, history):
        self.history, self.calls, self.knows = history, [], True

    def set_transform(self, message, authority):
        self.calls.append(("moving", message.header.frame_id, message.child_frame_id, message.header.stamp.sec))

    def set_transform_static(self, message, authority):
        self.calls.append(("static", message.header.frame_id, message.child_frame_id, 0))

    def clear(self):
        self.calls.append("clear")

    def lookup_transform_core(self, target, source, time):
        self.calls.append(("lookup", target, source, time.nanoseconds))
        if not self.knows:
            raise _TransformError
        return transform_message(target, source, time.nanoseconds, ANSWER)


@pytest.fixture
def tree():
    return Tf2Tree(10.0, SimpleNamespace(BufferCore=_Buffer, TransformException=_TransformError))


def _at(x_m: float) -> RigidTransform:
    return RigidTransform(np.eye(3), np.array([x_m, 0.0, 0.0]))


def test_tf2_is_told_what_the_tree_takes_and_asked_first(tree):
    tree.add("/base", "/lidar", None, _at(1.0))
    tree.add("odom", "base", START_NS, _at(2.0))
    np.testing.assert_allclose(tree.lookup("/odom", "lidar", START_NS).matrix(), ANSWER.matrix(), atol=1e-12)
    assert tree._buffer.calls == [
        ("static", "base", "lidar", 0),
        ("moving", "odom", "base", START_NS // S),
        ("lookup", "odom", "lidar", START_NS),
    ]
    assert tree._buffer.history.nanoseconds == 10 * S


def test_what_the_tree_refuses_tf2_is_not_told(tree):
    tree.add("odom", "base", START_NS, _at(2.0))
    with pytest.raises(BadTransform, match="expected the parent odom"):
        tree.add("map", "base", START_NS, _at(2.0))
    assert len(tree._buffer.calls) == 1


def test_where_tf2_has_no_answer_the_error_is_ours(tree):
    tree.add("odom", "base", START_NS, _at(2.0))
    tree._buffer.knows = False
    with pytest.raises(TransformToCome, match="expected samples around"):
        tree.lookup("odom", "base", START_NS + 1)
    with pytest.raises(BadTransform, match="no transform to or from frame 'camera'"):
        tree.lookup("odom", "camera", START_NS)


def test_a_clock_that_was_set_back_clears_tf2_which_would_take_no_older_samples(tree):
    tree.add("odom", "base", START_NS, _at(2.0))
    tree.add("odom", "base", START_NS - 5 * S, _at(1.0))
    assert "clear" not in tree._buffer.calls
    tree.add("odom", "base", START_NS - 100 * S, _at(0.0))
    assert tree._buffer.calls[-2:] == ["clear", ("moving", "odom", "base", START_NS // S - 100)]


def test_time_zero_is_no_time_though_tf2_takes_it_for_the_newest(tree):
    tree.add("odom", "base", START_NS, _at(2.0))
    with pytest.raises(BadTransform):
        tree.lookup("odom", "base", 0)
    assert [call[0] for call in tree._buffer.calls] == ["moving"]


def _random_transform(rng: np.random.Generator) -> RigidTransform:
    quaternion = rng.normal(size=4)
    return RigidTransform.from_quaternion(quaternion / np.linalg.norm(quaternion), rng.uniform(-50, 50, 3))


def test_a_transform_comes_back_from_its_message():
    T = _random_transform(np.random.default_rng(2))
    message = transform_message("/base", "lidar", START_NS, T)
    assert (message.header.frame_id, message.child_frame_id) == ("base", "lidar")
    np.testing.assert_allclose(rigid_transform(message.transform).matrix(), T.matrix(), atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_tree_that_is_opened_here_answers_as_ours(seed):
    """On a machine with ROS the one is tf2's."""
    rng = np.random.default_rng(seed)
    here, ours = open_tree(10.0), TransformTree(10.0)
    frames = [f"frame_{number}" for number in range(6)]
    for number in range(1, len(frames)):
        stamps = [None] if rng.random() < 0.4 else rng.integers(START_NS, START_NS + 8 * S, 20).tolist()
        parent = frames[rng.integers(number)]
        for stamp_ns in stamps:
            T = _random_transform(rng)
            here.add(parent, frames[number], stamp_ns, T)
            ours.add(parent, frames[number], stamp_ns, T)
    for _ in range(60):
        asked = *rng.choice([*frames, "unknown"], 2), int(rng.integers(START_NS - S, START_NS + 9 * S))
        try:
            expected = ours.lookup(*asked)
        except BadTransform as error:
            with pytest.raises(type(error)):
                here.lookup(*asked)
        else:
            np.testing.assert_allclose(here.lookup(*asked).matrix(), expected.matrix(), atol=1e-9)
