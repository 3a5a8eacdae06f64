"""The newest cloud wins, and nothing that serving raises ends the serving."""

import threading
import time

import pytest
from lidar_vl_ros.messages.sequence_gaps import SequenceGaps
from lidar_vl_ros.node.mailbox import Mailbox
from lidar_vl_ros.node.worker import Worker


def test_a_newer_item_replaces_the_waiting_one_and_says_so():
    mailbox = Mailbox()
    assert mailbox.put("old") is None
    assert mailbox.put("new") == "old"
    assert mailbox.take() == "new"


def test_a_closed_mailbox_gives_nothing_even_when_something_waits():
    mailbox = Mailbox()
    mailbox.put("late")
    mailbox.close()
    assert mailbox.take() is None


def test_of_everything_put_during_one_service_only_the_newest_is_served_and_the_rest_counted(until):
    busy, go, served = threading.Event(), threading.Event(), []

    def serve(item):
        busy.set()
        go.wait(30)
        served.append(item)

    worker = Worker("test", serve, failed=lambda error: None)
    worker.put(0)
    busy.wait(30)
    replaced = sum(worker.put(item) for item in range(1, 101))
    go.set()
    until(lambda: served == [0, 100], "the newest item")
    assert replaced == 99
    assert worker.stop(30)


def test_an_exception_is_reported_and_the_next_item_served(until):
    failures, served = [], []

    def serve(item):
        if item == "bad":
            raise ValueError(item)
        served.append(item)

    worker = Worker("test", serve, failures.append)
    worker.put("bad")
    until(lambda: failures, "the failure")
    worker.put("good")
    until(lambda: served == ["good"], "the next item")
    assert [str(error) for error in failures] == ["bad"]
    worker.stop(30)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_even_a_failing_report_of_a_failure_does_not_end_the_worker(until):
    served = []

    def serve(item):
        if item == "bad":
            raise ValueError(item)
        served.append(item)

    def failed(error):
        tried.set()
        raise RuntimeError("no place to log to")

    tried = threading.Event()
    worker = Worker("test", serve, failed)
    worker.put("bad")
    assert tried.wait(30)
    worker.put("good")
    until(lambda: served == ["good"], "the next item")
    worker.stop(30)


def test_a_worker_is_ready_after_its_preparation_even_when_that_fails(until):
    failures = []

    def prepare():
        raise RuntimeError("no memory")

    worker = Worker("test", lambda item: None, failures.append, prepare)
    assert worker.ready.wait(30)
    assert len(failures) == 1
    assert worker.stop(30)


def test_a_stuck_service_does_not_block_the_stop():
    busy, go = threading.Event(), threading.Event()

    def serve(item):
        busy.set()
        go.wait(30)

    worker = Worker("test", serve, failed=lambda error: None)
    worker.put(1)
    busy.wait(30)
    assert not worker.stop(0.01)
    go.set()
    assert worker.stop(30)


def test_gaps_in_a_publishers_numbers_are_losses_and_a_restart_is_none():
    gaps = SequenceGaps()
    assert [gaps.add(number) for number in (7, 8, 11, 12, 1, 2, 4)] == [0, 0, 2, 0, 0, 0, 1]
    assert gaps.lost == 3


def test_a_middleware_without_numbers_loses_nothing():
    gaps = SequenceGaps()
    assert [gaps.add(number) for number in ((1 << 64) - 1,) * 3] == [0, 0, 0]


def test_who_stops_a_worker_does_not_wait_for_its_preparation():
    go = threading.Event()
    worker: Worker[int] = Worker("test", lambda item: None, print, prepare=lambda: go.wait(30))
    began = time.monotonic()
    assert not worker.stop(20.0)
    assert time.monotonic() - began < 2.0
    go.set()
    worker._thread.join(30)
    assert not worker._thread.is_alive()
