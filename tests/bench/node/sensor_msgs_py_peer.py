"""Why the hot path does not call sensor_msgs_py: time, and damaged messages. Run: python -m tests.bench.node.sensor_msgs_py_peer

Needs sensor_msgs_py, as on a machine with ROS, or its source folder on PYTHONPATH.
"""

import os
import random
import resource
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
from lidar_vl_ros.messages.sensor_data import point_cloud2
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from lidar_vl_core.clouds.cloud_decoder import CloudDecoder
from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.foundation.errors import BadPointCloud

_POINTS = 168_000
_BATCH = 500  # messages that one process reads
_LONGEST_S = 2
_MEMORY = 4 << 30  # bytes that a process may ask for
_NUMBERS = (0, 1, 2, 3, 4, 7, 8, 16, 255, 65_535, 2**31 - 1, 2**31, 2**32 - 1)


def _message(points: int) -> PointCloud2:
    columns = {name: np.arange(points, dtype=np.float32) % 90 for name in ("x", "y", "z", "intensity")}
    return point_cloud2(Header(frame_id="lidar"), columns | {"ring": np.zeros(points, np.uint16)})


def _damaged(seed: int) -> PointCloud2:
    generator = random.Random(seed)
    message = _message(generator.choice((1, 10, 64, 1000)))
    for _ in range(generator.choice((1, 1, 2, 3))):
        if generator.random() < 0.5:
            name = generator.choice(("height", "width", "point_step", "row_step"))
            setattr(message, name, generator.choice(_NUMBERS))
        elif generator.random() < 0.7:
            field = generator.choice(message.fields)
            name = generator.choice(("offset", "datatype", "count"))
            setattr(field, name, generator.choice(_NUMBERS) % (256 if name == "datatype" else 2**32))
        else:
            message.data = bytes(message.data)[: generator.randrange(len(message.data) + 1)]
    return message


def _ours(message: PointCloud2) -> object:
    return CloudDecoder(intensity_max=100.0).decode(message)


def _theirs(message: PointCloud2) -> object:
    from sensor_msgs_py.point_cloud2 import read_points

    points = read_points(message, field_names=("x", "y", "z", "intensity"))
    return [np.array(points[name], np.float32) for name in ("x", "y", "z", "intensity")]


def _outcomes(read: Callable[[PointCloud2], object], seeds: range) -> Counter[str]:
    """What became of the messages: read, refused (BadPointCloud), the name of another exception, or the signal of a death."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        with os.fdopen(tell, "w") as pipe:
            for seed in seeds:
                try:
                    message = _damaged(seed)
                    signal.alarm(_LONGEST_S)
                    read(message)
                    pipe.write("read\n")
                except BadPointCloud:
                    pipe.write("refused\n")
                except BaseException as error:  # what the count is about
                    pipe.write(f"{type(error).__name__}\n")
                signal.alarm(0)
                pipe.flush()
        os._exit(0)
    os.close(tell)
    with os.fdopen(told) as pipe:
        found = Counter(pipe.read().split())
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        done = found.total()
        number = signal.Signals(os.WTERMSIG(status))
        found[f"took more than {_LONGEST_S} s" if number == signal.SIGALRM else f"died of {number.name}"] += 1
        found += _outcomes(read, seeds[done + 1 :]) if len(seeds) > done + 1 else Counter()
    return found


def main() -> None:
    """Print both readers' time and what they make of damaged messages."""
    parser = CommandLine(prog="python -m tests.bench.node.sensor_msgs_py_peer", description=__doc__)
    parser.add_argument(
        "--count", type=int, default=500, help="Damaged messages; sensor_msgs_py takes seconds for some"
    )
    count = parser.parse_args().count
    message = _message(_POINTS)
    readers = {"lidar_vl": _ours, "sensor_msgs_py": _theirs}
    times_ms: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(100):  # in turns, so that other work on the machine meets both
        for name, read in readers.items():
            start_s = time.perf_counter()
            read(message)
            times_ms[name].append((time.perf_counter() - start_s) * 1e3)
    for name, read in readers.items():
        outcomes: Counter[str] = Counter()
        for first in range(0, count, _BATCH):
            outcomes += _outcomes(read, range(first, min(first + _BATCH, count)))
        told = ", ".join(f"{number:,} {what}" for what, number in outcomes.most_common())
        median_ms = statistics.median(times_ms[name])
        print(f"{name}: {median_ms:.2f} ms for {_POINTS:,} points; of {count:,} damaged messages {told}")


if __name__ == "__main__":
    main()
