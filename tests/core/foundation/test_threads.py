"""Helping threads: all tasks are done at the end, errors come through, forks and neighbours do no harm."""

import multiprocessing
import threading

import numpy as np
import pytest

from lidar_vl_core.foundation.threads import HelperThreads, default_threads
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps


def cube(side: int) -> np.ndarray:
    return np.ascontiguousarray(np.argwhere(np.ones((side,) * 3, bool)).astype(np.int32))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_task_is_done_once_when_the_block_ends(threads):
    done = []
    with HelperThreads(threads) as helpers:
        for number in range(50):
            helpers.add(lambda number=number: done.append(number))
    assert sorted(done) == list(range(50))


def test_the_caller_does_what_stands_in_line_while_a_helper_is_busy():
    begun, others_done, in_time = threading.Event(), threading.Event(), []

    def long() -> None:
        begun.set()
        in_time.append(others_done.wait(10))

    with HelperThreads(2) as helpers:
        helpers.add(long)
        for _ in range(3):
            helpers.add(lambda: None)
        begun.wait(10)
        helpers.add(others_done.set)
    assert in_time == [True]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_a_task_reaches_the_caller(threads):
    with pytest.raises(ZeroDivisionError), HelperThreads(threads) as helpers:
        helpers.add(lambda: 1 / 0)


def test_an_error_in_the_block_is_not_hidden_and_leaves_nothing_running():
    started, done = threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        threading.Event().wait(0.05)
        done.set()

    def block() -> None:
        with HelperThreads(2) as helpers:
            helpers.add(slow)
            started.wait(5)
            raise KeyError

    with pytest.raises(KeyError):
        block()
    assert done.is_set()


def test_no_more_tasks_run_at_once_than_threads_were_asked_for():
    running, most, lock = [0], [0], threading.Lock()

    def task() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.002)
        with lock:
            running[0] -= 1

    with HelperThreads(3) as helpers:
        for _ in range(30):
            helpers.add(task)
    assert 1 <= most[0] <= 3


def _count_in_child(answers: "multiprocessing.Queue[int]") -> None:
    answers.put(build_kernel_maps(cube(30), 3, threads=3).counts[2])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_gets_helpers_of_its_own():
    build_kernel_maps(cube(30), 3, threads=3)  # the parent's helpers exist before the fork, as in a data loader
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    children = [context.Process(target=_count_in_child, args=(answers,)) for _ in range(2)]
    for child in children:
        child.start()
    assert [answers.get(timeout=60) for _ in children] == [8**3, 8**3]
    for child in children:
        child.join(10)
        assert child.exitcode == 0


def test_two_callers_at_once_get_what_each_alone_gets():
    expected = build_kernel_maps(cube(35), 3, threads=1)
    found = []

    def call() -> None:
        for _ in range(5):
            found.append(build_kernel_maps(cube(35), 3, threads=3))

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 15
    for maps in found:
        assert all(np.array_equal(a, b) for a, b in zip(maps.subm, expected.subm, strict=True))


def test_by_default_at_least_one_and_a_few_threads_are_used():
    assert 1 <= default_threads() <= 4
