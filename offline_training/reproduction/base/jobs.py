"""Runs of a study, one by one or several processes at a time, with a progress bar on a terminal."""

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from offline_training.runs.stopping import StopSignals, end_at_once, stopped

_LOOK_EVERY_S = 0.5


def run_in_jobs(title: str, run: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[None]:
    """Call run(*task) for every task, yielding after each; tasks and `run` must be picklable for several jobs.

    With several jobs, a failing task does not stop the others; its error is raised when they are done. Raises
    RunStopped after Ctrl-C or SIGTERM: runs in progress have saved their state, and no new one was started.
    """
    from tqdm import tqdm

    with tqdm(total=len(tasks), unit="run", desc=title, disable=not sys.stderr.isatty()) as bar:
        for _ in _one_by_one(run, tasks) if jobs == 1 else _side_by_side(run, tasks, jobs):
            bar.update()
            yield


def _one_by_one(run: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> Iterator[None]:
    for task in tasks:
        run(*task)
        yield


def _side_by_side(run: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[None]:
    failed: BaseException | None = None
    left, under_way = deque(tasks), set[Future[Any]]()
    with StopSignals() as stop, _pool(jobs) as pool:
        is_passed_on = False
        try:
            while under_way or (left and not stop.is_asked):
                while left and len(under_way) < jobs and not stop.is_asked:
                    under_way.add(pool.submit(run, *left.popleft()))
                done, under_way = wait(under_way, _LOOK_EVERY_S, FIRST_COMPLETED)
                if stop.is_asked and not is_passed_on:
                    is_passed_on = True
                    _tell_children(signal.SIGTERM)
                for future in done:
                    failed = failed or future.exception()
                    yield
        except BaseException:  # a second signal, or the caller stopped iterating
            _tell_children(signal.SIGKILL)
            raise
    if stop.is_asked and (failed is None or isinstance(failed, SystemExit | BrokenProcessPool)):
        raise stopped("stopped, each run in progress after its current step", stop.signum)
    if failed:
        raise failed


def _pool(jobs: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, context, initializer=_heed_this_process_alone, max_tasks_per_child=1)


def _heed_this_process_alone() -> None:
    """Ignore Ctrl-C, which reaches all processes of a terminal; the parent process forwards it as SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end_at_once)  # between two trainings, which handle signals themselves


def _tell_children(signum: int) -> None:
    for child in multiprocessing.active_children():
        if child.pid is not None:
            os.kill(child.pid, signum)
