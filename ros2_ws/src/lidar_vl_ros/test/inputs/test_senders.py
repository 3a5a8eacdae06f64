"""Several senders on one topic: whose cloud it is, and that each is paired for itself."""

import itertools
from functools import partial

import numpy as np
import pytest
from lidar_vl_ros.inputs.senders import Senders
from lidar_vl_ros.messages.sequence_gaps import UNNUMBERED
from lidar_vl_ros.segmentation_node import SegmentationNode
from sensor_msgs.msg import PointCloud2

MS, S = 1_000_000, 1_000_000_000
NODE = "segmentation_node"


class _Streams:
    """Publishers that send in turns, ten times a second each."""

    def __init__(self, *offsets_ns, first_numbers=(), frames=()):
        self.senders = Senders(lambda: len(offsets_ns))
        self._streams = [
            (offset_ns, itertools.count(first), frame)
            for offset_ns, first, frame in itertools.zip_longest(offsets_ns, first_numbers, frames)
        ]
        self._streams = [(offset, count, frame or "lidar") for offset, count, frame in self._streams]

    def keys_and_jumps(self, rounds, lost=lambda stream, round_: False):
        heard = [[] for _ in self._streams]
        for round_ in range(rounds):
            for stream, (offset_ns, numbers, frame) in enumerate(self._streams):
                number, now_ns = next(numbers), round_ * 100 * MS + stream
                if not lost(stream, round_):
                    heard[stream].append(self.senders.heard(frame, number, 100 * S + offset_ns + now_ns, now_ns))
        return heard


def test_one_sender_is_one_and_its_stamps_may_go_back_a_little_or_be_none():
    senders = Senders(lambda: 1)
    stamps = [10 * S, 10 * S + 100 * MS, 9 * S + 200 * MS, 0, 10 * S, 8 * S, 8 * S + 100 * MS]
    heard = [senders.heard("lidar", number, stamp, number * 100 * MS) for number, stamp in enumerate(stamps, 1)]
    assert {key for key, _ in heard} == {1}
    assert [jumped for _, jumped in heard] == [False, False, False, False, False, True, False]


@pytest.mark.parametrize("apart_ns", [30 * MS, 600 * MS, 5 * S, -3600 * S])
@pytest.mark.parametrize("first_numbers", [(1, 1), (1, 40), (5000, 17), (70, 1)])
@pytest.mark.parametrize("frames", [("lidar", "lidar"), ("front", "rear")])
def test_two_senders_are_told_apart_and_neither_jumps(apart_ns, first_numbers, frames):
    streams = _Streams(0, apart_ns, first_numbers=first_numbers, frames=frames)
    heard = streams.keys_and_jumps(40)
    assert streams.senders.count == 2
    assert sum(jumped for stream in heard for _, jumped in stream) == 0
    for stream in heard:
        assert len({key for key, _ in stream[1:]}) == 1
    assert heard[0][-1][0] != heard[1][-1][0]


@pytest.mark.parametrize("apart_ns", [600 * MS, 5 * S])
def test_clouds_that_are_lost_make_no_jump_of_two_senders(apart_ns):
    rng = np.random.default_rng(3)
    streams = _Streams(0, apart_ns, first_numbers=(1, 1))
    heard = streams.keys_and_jumps(300, lambda stream, round_: rng.random() < 0.2)
    assert sum(jumped for stream in heard for _, jumped in stream) == 0


def test_a_publisher_that_begins_anew_is_another_sender_and_no_jump():
    senders = Senders(lambda: 1)
    for number in range(1, 20):
        senders.heard("lidar", number, 100 * S + number, number)
    key, jumped = senders.heard("lidar", 1, 5 * S, 21)
    assert (key, jumped) == (2, False)


def test_a_transport_that_numbers_nothing_leaves_the_frame_to_tell_senders_apart():
    senders = Senders(lambda: 2)
    told = [senders.heard(frame, UNNUMBERED, stamp * S, stamp) for stamp in (1, 2, 3) for frame in ("front", "rear")]
    assert [key for key, _ in told] == [1, 2] * 3


def test_senders_are_forgotten_when_many_come_or_others_go_on():
    senders = Senders(lambda: 1)
    for index in range(1000):
        senders.heard(f"frame {index}", 1, S, index)
    assert senders.count == 8
    for second in range(14):
        senders.heard("lidar", 1 + second, S, second * S)
    assert senders.count == 1


def test_a_clock_that_was_set_back_is_told_once_and_not_by_the_stamps_again():
    senders = Senders(lambda: 1)
    senders.heard("lidar", 1, 100 * S, 0)
    senders.clock_jumped()
    assert senders.heard("lidar", 2, 5 * S, 1) == (1, False)


@pytest.mark.parametrize("frames", [("lidar", "lidar"), ("front", "rear")])
def test_two_senders_600_ms_apart_on_one_topic_are_all_served_without_a_jump(
    graph, fake_segmenter, make_cloud, until, frames
):
    answers: list[PointCloud2] = []
    graph.subscribe(PointCloud2, f"/{NODE}/output/pointcloud/segmentation", answers.append, 100)
    node = graph.start(partial(SegmentationNode, lambda settings: fake_segmenter))
    publishers = [graph.probe.create_publisher(PointCloud2, f"/{NODE}/input/pointcloud", 10) for _ in frames]
    until(lambda: all(publisher.get_subscription_count() == 1 for publisher in publishers), "the node")
    until(node.outputs.wanted, "the listener")
    for index in range(20):
        for which, publisher in enumerate(publishers):
            publisher.publish(make_cloud(np.zeros((3, 3)), S + index * 100 * MS + which * 600 * MS, frames[which]))
            until(lambda so_far=2 * index + which + 1: len(answers) == so_far, "an answer")
    counts = node.health.counts()
    assert (counts["served"], counts["jumps"]) == (40, 0)
    assert "jumped back" not in graph.logged
    graph.logs("2 publishers of clouds on")


def test_a_cloud_without_a_stamp_is_no_jump(graph, fake_segmenter, make_cloud, until):
    answers: list[PointCloud2] = []
    graph.subscribe(PointCloud2, f"/{NODE}/output/pointcloud/segmentation", answers.append, 100)
    node = graph.start(partial(SegmentationNode, lambda settings: fake_segmenter))
    clouds = graph.probe.create_publisher(PointCloud2, f"/{NODE}/input/pointcloud", 10)
    until(lambda: clouds.get_subscription_count() == 1 and node.outputs.wanted(), "the node")
    for count, stamp_ns in enumerate([10 * S, 0, 11 * S, 0, 12 * S], 1):
        clouds.publish(make_cloud(np.zeros((3, 3)), stamp_ns))
        until(lambda count=count: len(answers) == count, "an answer")
    assert node.health.counts()["jumps"] == 0
