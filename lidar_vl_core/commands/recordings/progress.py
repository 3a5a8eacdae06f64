"""Progress of a command through the clouds of a recording. Prints."""

import sys
from collections.abc import Callable, Iterator

from lidar_vl_core.bags.recording import RecordedFrame

Progress = Callable[[Iterator[RecordedFrame], int], Iterator[RecordedFrame]]  # wraps the frames; int: how many


def progress_bar(frames: Iterator[RecordedFrame], count: int) -> Iterator[RecordedFrame]:
    """A bar on stderr, where that is a terminal."""
    from tqdm import tqdm

    return iter(tqdm(frames, total=count, unit="cloud", file=sys.stderr, disable=not sys.stderr.isatty()))
