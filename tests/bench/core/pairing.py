"""FramePairer beside Python message_filters' ApproximateTimeSynchronizer, one LiDAR and six cameras, real message objects.

Run: python -m tests.bench.core.pairing --message-filters PATH, a checkout of github.com/ros2/message_filters (or set
LIDAR_VL_MESSAGE_FILTERS to it). Without one only our figures are measured.
"""

import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.synchronisation.frame_pairer import FramePairer
from lidar_vl_core.commands.program.command_line import CommandLine
from tests.bench.report.table import print_table, row

MS = 1_000_000
CAMERAS = tuple(f"camera{number}" for number in range(6))
QUEUE_LENGTH = 30  # of both
REPEATS = 5


class Message(NamedTuple):
    """One arrival: stream 0 is the LiDAR, 1..6 the cameras."""

    stream: int
    arrival_ns: int
    message: Any  # a ROS message with a header


@dataclass(frozen=True)
class Scenario:
    """What the sensors do."""

    name: str
    lidar_hz: float = 10.0
    camera_hz: float = 30.0
    spread_ms: float = 0.0  # the cameras look one after another, nuScenes: 0..69 ms over a sweep
    slop_s: float = 0.05
    silent_camera: bool = False
    loops: int = 1
    seconds: float = 40.0

    def messages(self) -> list[Message]:
        """All arrivals in order; a loop repeats the stamps."""
        from sensor_msgs.msg import CompressedImage, PointCloud2

        plan = []
        for loop in range(self.loops):
            for stream in range(7):
                if self.silent_camera and stream == 6:
                    continue
                step_ns = int(1e9 / (self.camera_hz if stream else self.lidar_hz))
                offset_ns = int(self.spread_ms * MS * (stream - 1) / 5) if stream else 0
                for at in range(offset_ns, int(self.seconds * 1e9), step_ns):
                    jitter_ns = (at * 7919 + stream * 104_729) % (3 * MS)
                    arrival_ns = int(loop * self.seconds * 1e9) + at + (4 + stream) * MS + jitter_ns
                    plan.append((arrival_ns, stream, 1_000_000 * MS + at + jitter_ns))
        result = []
        for arrival_ns, stream, stamp_ns in sorted(plan):
            message = CompressedImage() if stream else PointCloud2()
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
            result.append(Message(stream, arrival_ns, message))
        return result


SCENARIOS = (
    Scenario("10 Hz LiDAR, 30 Hz cameras"),
    Scenario("20 Hz LiDAR, 12 Hz cameras spread over the sweep", 20.0, 12.0, spread_ms=69.0, slop_s=0.1),
    Scenario("one camera silent, the recording loops 5 times", silent_camera=True, loops=5, seconds=20.0),
    Scenario("the recording loops 5 times", loops=5, seconds=20.0),
)


def measure(message_filters: Path | None = None) -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}; processor time, medians of interleaved repeats."""
    if message_filters is None and "LIDAR_VL_MESSAGE_FILTERS" in os.environ:
        message_filters = Path(os.environ["LIDAR_VL_MESSAGE_FILTERS"])
    other = None if message_filters is None else _load(message_filters)
    if other is None:
        print("pairing: no checkout of message_filters given, so only our own figures are measured", file=sys.stderr)
    rows: list[dict[str, Any]] = []
    our_total_s = their_total_s = 0.0
    for scenario in SCENARIOS:
        messages = scenario.messages()
        clouds = sum(message.stream == 0 for message in messages)
        ours, theirs = [], []
        for _ in range(REPEATS):
            ours.append(_run_ours(messages, scenario))
            if other is not None:
                theirs.append(_run_theirs(other, messages, scenario))
        about = f"pairing, {scenario.name}:"
        rows.append(row(f"{about} clouds paired", 100.0 * ours[0][1] / clouds, "%", at_least=99.0))
        rows.append(row(f"{about} cost per message", _seconds(ours) / len(messages) * 1e6, "us", below=5.0))
        if theirs:
            rows.append(row(f"{about} clouds paired by message_filters", 100.0 * theirs[0][1] / clouds, "%"))
            rows.append(row(f"{about} cost in message_filters", _seconds(theirs) / len(messages) * 1e6, "us"))
            rows.append(row(f"{about} times less cost", _seconds(theirs) / _seconds(ours), "x"))
            our_total_s += _seconds(ours)
            their_total_s += _seconds(theirs)
    if our_total_s:
        name = "pairing, all scenarios: times less processor time than message_filters"
        rows.append(row(name, their_total_s / our_total_s, "x", at_least=20.0))
    return rows


def _run_ours(messages: Sequence[Message], scenario: Scenario) -> tuple[float, int]:
    """Processor seconds, and clouds given out with an image of each camera that speaks."""
    tolerance_s = scenario.slop_s
    # A pairer knows when in the sweep each camera looks.
    timings = [
        CameraTiming(name, scenario.spread_ms / 1e3 * index / 5, tolerance_s) for index, name in enumerate(CAMERAS)
    ]
    pairer = FramePairer(timings, queue_length=QUEUE_LENGTH)
    names = ("", *CAMERAS)
    speaking = len(CAMERAS) - scenario.silent_camera
    paired = 0
    started = time.process_time()
    for stream, arrival_ns, message in messages:
        stamp = message.header.stamp
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        if stream:
            frames = pairer.add_image(names[stream], stamp_ns, message, arrival_ns)
        else:
            frames = pairer.add_cloud(stamp_ns, message, arrival_ns)
        for frame in frames:
            paired += len(frame.images) == speaking
    return time.process_time() - started, paired


def _run_theirs(other: Any, messages: Sequence[Message], scenario: Scenario) -> tuple[float, int]:
    """Processor seconds, and sets given out."""
    filters = [other.SimpleFilter() for _ in range(7)]
    synchroniser = other.ApproximateTimeSynchronizer(filters, QUEUE_LENGTH, scenario.slop_s)
    paired = 0

    def count(*_: Any) -> None:
        nonlocal paired
        paired += 1

    synchroniser.registerCallback(count)
    give: list[Callable[[Any], None]] = [each.signalMessage for each in filters]
    started = time.process_time()
    for stream, _, message in messages:
        give[stream](message)
    return time.process_time() - started, paired


def _load(checkout: Path) -> Any:
    """The message_filters module of a checkout, without installing it."""
    path = next(
        (p for p in (checkout / "src/message_filters/__init__.py", checkout / "__init__.py") if p.is_file()), None
    )
    if path is None:
        raise SystemExit(f"{checkout}: expected a checkout of ros2/message_filters, found no src/message_filters.")
    spec = importlib.util.spec_from_file_location("message_filters", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _seconds(runs: Sequence[tuple[float, int]]) -> float:
    return statistics.median(seconds for seconds, _ in runs)


if __name__ == "__main__":
    parser = CommandLine(prog="python -m tests.bench.core.pairing", description=__doc__)
    parser.add_argument("--message-filters", type=Path)
    print_table(measure(parser.parse_args().message_filters))
