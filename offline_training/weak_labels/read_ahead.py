"""Runs tasks ahead in threads, with results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def read_ahead(
    pool: ThreadPoolExecutor, function: Callable[[Task], Result], tasks: Iterable[Task], count: int
) -> Iterator[Result]:
    """Yield results of a function in the order of the tasks, with at most `count` tasks in progress."""
    futures: deque[Future[Result]] = deque()
    for task in tasks:
        futures.append(pool.submit(function, task))
        if len(futures) >= count:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()
