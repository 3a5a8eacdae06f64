"""A child that is forked while another thread works answers as its parent does, and does not wait for that thread."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.processes.fork_lock import ForkLock
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
_LIMIT_S = 10.0


def exit_code_of_child(child: int) -> int:
    """Its exit code; minus the signal for one that had to be killed."""
    end = time.monotonic() + _LIMIT_S
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_lock_that_another_thread_holds_at_the_fork_is_free_in_the_child_and_held_in_the_parent():
    lock, is_held, may_end = ForkLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            is_held.set()
            may_end.wait(_LIMIT_S)

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(_LIMIT_S)
    child = os.fork()
    if child == 0:
        with lock:
            os._exit(7)
    assert exit_code_of_child(child) == 7
    entered = threading.Event()

    def enter() -> None:
        with lock:
            entered.set()

    waiting = threading.Thread(target=enter)
    waiting.start()
    assert not entered.wait(0.05)
    may_end.set()
    assert entered.wait(_LIMIT_S)
    for thread in (holder, waiting):
        thread.join(_LIMIT_S)


def test_children_that_are_forked_during_inference_answer_as_their_parent():
    # ONNX Runtime's threads do not survive a fork: a session of it that has some can wait for them forever in the child.
    segmenter = Segmenter(load_model_package("demo"), engine="fused", threads=2)
    xyz_m = np.random.default_rng(3).uniform((-10, -10, -1), (10, 10, 1), (1000, 3)).astype(np.float32)
    cloud = PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, "lidar")
    expected = segmenter.segment(cloud).class_id
    is_over = threading.Event()

    def infer() -> None:
        while not is_over.is_set():
            segmenter.segment(cloud)

    thread = threading.Thread(target=infer)
    thread.start()
    try:
        codes = []
        for _ in range(4):
            time.sleep(0.003)
            child = os.fork()
            if child == 0:
                found = segmenter.segment(cloud).class_id
                os._exit(0 if np.array_equal(found, expected) else 1)
            codes.append(exit_code_of_child(child))
            if codes[-1]:
                break
    finally:
        is_over.set()
        thread.join(_LIMIT_S)
    assert codes == [0] * 4
