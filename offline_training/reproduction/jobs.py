"""Runs of a study, one after the other or several processes at a time, with a bar where there is a terminal."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any


def run_in_jobs(title: str, run: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[None]:
    """Call run(*task) for every task, yielding after each; tasks and `run` must be picklable for several jobs.

    With several jobs a task that fails stops none of the others; its error is raised when they are done.
    """
    from tqdm import tqdm

    with tqdm(total=len(tasks), unit="run", desc=title, disable=not sys.stderr.isatty()) as bar:
        if jobs == 1:
            for task in tasks:
                run(*task)
                bar.update()
                yield
            return
        from concurrent.futures import ProcessPoolExecutor, as_completed
        from multiprocessing import get_context

        failed: BaseException | None = None
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
            for future in as_completed([pool.submit(run, *task) for task in tasks]):
                failed = failed or future.exception()
                bar.update()
                yield
        if failed:
            raise failed
