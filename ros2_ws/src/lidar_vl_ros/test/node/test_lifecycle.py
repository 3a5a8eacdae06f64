"""Lifecycle: many rounds leave nothing behind, and faults in any callback are survived."""

import gc
import os
import threading
from functools import partial
from operator import attrgetter

import numpy as np
import pytest
from lidar_vl_ros.segmentation_node import SegmentationNode
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.foundation.errors import BadCalibration, BadPointCloud

NODE = "segmentation_node"
INPUT, LABELLED = f"/{NODE}/input/pointcloud", f"/{NODE}/output/pointcloud/segmentation"


@pytest.fixture
def clouds(graph):
    return graph.probe.create_publisher(PointCloud2, INPUT, 10)


@pytest.fixture
def answers(graph):
    answers: list[PointCloud2] = []
    graph.subscribe(PointCloud2, LABELLED, answers.append, 10)
    return answers


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def _own_threads() -> list[str]:
    # The core keeps a few helpers for the whole process and starts them when they are first needed.
    return sorted(thread.name for thread in threading.enumerate() if not thread.name.startswith("lidar-vl-helper"))


def test_twenty_rounds_of_the_lifecycle_leave_no_thread_and_no_open_file(
    graph, clouds, answers, tiny_package, make_cloud, until
):
    node = graph.start(SegmentationNode, model=str(tiny_package), autostart=False)
    threads = _own_threads()
    for lap in range(20):
        assert graph.transition(NODE, "configure")
        assert graph.transition(NODE, "activate")
        if lap % 5 == 0:
            until(lambda: clouds.get_subscription_count() == 1 and node.outputs.wanted(), "the node")
            clouds.publish(make_cloud(np.full((4, 3), float(lap))))
            until(lambda lap=lap: len(answers) == lap // 5 + 1, "an answer")
        assert graph.transition(NODE, "deactivate")
        assert graph.transition(NODE, "cleanup")
        if lap == 4:
            open_files = _open_files()
    until(lambda: gc.collect() >= 0 and _own_threads() == threads, "the end of all threads of all rounds")
    assert _open_files() <= open_files
    assert node.health.counts()["served"] == 4


def test_a_deactivated_node_answers_nothing_and_serves_again_when_activated(
    graph, clouds, answers, fake_segmenter, make_cloud, until
):
    node = graph.start(partial(SegmentationNode, lambda settings: fake_segmenter))
    until(lambda: clouds.get_subscription_count() == 1 and node.outputs.wanted(), "the node")
    fake_segmenter.gate.clear()
    clouds.publish(make_cloud(np.ones((3, 3)), stamp_ns=1))
    until(lambda: fake_segmenter.entered == 1, "a cloud in work")
    clouds.publish(make_cloud(np.ones((3, 3)), stamp_ns=2))
    until(lambda: node.health.counts()["received"] == 2, "a waiting cloud")
    assert graph.transition(NODE, "deactivate")
    fake_segmenter.gate.set()
    until(lambda: node.health.counts()["discarded"] == 2, "both clouds discarded")
    assert fake_segmenter.entered == 1
    assert graph.transition(NODE, "activate")
    until(lambda: clouds.get_subscription_count() == 1, "the node")
    clouds.publish(make_cloud(np.ones((3, 3)), stamp_ns=3))
    until(lambda: answers, "an answer")
    assert [answer.header.stamp.nanosec for answer in answers] == [3]
    assert node.health.counts()["waiting"] == 0


def test_services_answer_while_the_model_warms_up_and_clouds_are_taken_only_after_it(
    graph, clouds, answers, fake_segmenter, make_cloud, until
):
    warming, go = threading.Event(), threading.Event()

    def warm_up():
        warming.set()
        go.wait(30)

    fake_segmenter.warm_up = warm_up
    graph.start(partial(SegmentationNode, lambda settings: fake_segmenter))
    assert warming.wait(30)
    until(lambda: graph.state(NODE) == "active", "the active state while the model is still warming up")
    assert clouds.get_subscription_count() == 0
    go.set()
    until(lambda: clouds.get_subscription_count() == 1, "the subscription")


@pytest.mark.parametrize(
    "place",
    [
        "_input._received",
        "outputs.wanted",
        "_input._count_lost",
        "_input._sender",
        "age_ms",
        "serve",
        "segmentation.outputs.publish",
        "_times.publish",
    ],
)
@pytest.mark.parametrize("error", [RuntimeError, MemoryError, BadCalibration, BadPointCloud])
def test_an_exception_anywhere_is_counted_and_the_next_cloud_served(
    graph, clouds, answers, fake_segmenter, make_cloud, until, place, error
):
    node = graph.start(partial(SegmentationNode, lambda settings: fake_segmenter))
    until(lambda: clouds.get_subscription_count() == 1 and node._input.topic and node.outputs.wanted(), "the node")
    *owners, name = place.split(".")
    owner = attrgetter(".".join(owners))(node) if owners else node
    healthy = getattr(owner, name)
    injected = threading.Event()

    def faulty(*arguments):
        if not injected.is_set():
            injected.set()
            raise error("injected")
        return healthy(*arguments)

    if name == "_received":
        # The subscription holds the bound method: replace it there.
        healthy = owner._subscription.callback
        owner._subscription.callback = lambda message, info: faulty(message, info)
    else:
        setattr(owner, name, faulty)
    clouds.publish(make_cloud(np.ones((3, 3)), stamp_ns=1))
    until(lambda: any(node.health.counts()[name] for name in ("faults", "failed", "bad")), "the counted fault")
    clouds.publish(make_cloud(np.ones((3, 3)), stamp_ns=2))
    until(lambda: any(answer.header.stamp.nanosec == 2 for answer in answers), "the next answer")


def test_a_simulated_clock_that_jumps_back_is_a_jump_and_latencies_follow_it(
    graph, clouds, answers, fake_segmenter, make_cloud, until
):
    node = graph.start(partial(SegmentationNode, lambda settings: fake_segmenter), use_sim_time=True)
    clock = graph.probe.create_publisher(Clock, "/clock", 10)
    until(lambda: clouds.get_subscription_count() == 1 and clock.get_subscription_count() == 1, "the node")

    def set_clock(seconds):
        message = Clock()
        message.clock.sec = seconds
        until(lambda: clock.publish(message) or node.get_clock().now().nanoseconds == seconds * 10**9, "the clock")

    clouds.publish(make_cloud(np.ones((3, 3)), stamp_ns=5 * 10**9))
    until(lambda: len(answers) == 1, "an answer before the first tick of the clock")
    set_clock(1_000_000)
    assert node.health.counts()["jumps"] == 0  # the first tick is a jump of decades, but forward
    set_clock(999_990)
    until(lambda: node.health.counts()["jumps"] == 1, "the jump")
    message = make_cloud(np.ones((3, 3)), stamp_ns=999_989 * 10**9)
    assert node.age_ms(message.header) == 1000.0
    clouds.publish(message)
    until(lambda: len(answers) == 2, "an answer after the jump")
