"""From measured slopes to what nobody can measure on two cores: a million frames, a thousand hours, a fleet.

Intervals are those of the slopes; where several are multiplied, the low ends and the high ends are. What is not measured stands
in Scenario, and every answer names what it took from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tests.bench.report.slopes import Line
from tests.bench.scaling.axis import Ratio

_MOST_RAY_TASKS = 10_000  # as ray_job.py
_SAMPLES_PER_TASK = 4  # as measured by the axis of samples


@dataclass(frozen=True)
class Scenario:
    """What is assumed, and not measured; each an option of the command."""

    frames: int = 1_000_000  # to be labelled
    pictures_per_frame: int = 6
    points: int = 120_000  # of a cloud
    workers: int = 64  # of Ray, one core each
    hours: float = 1000.0  # of driving, for pre-training
    clouds_per_second: float = 2.0  # of these hours that are trained on: key frames
    epochs: int = 1
    processes: int = 8  # of torch, one core each
    vehicles: int = 100
    hours_a_day: float = 8.0
    lidar_hz: float = 10.0
    pictures_per_second: float = 60.0  # of all cameras of a vehicle


@dataclass(frozen=True)
class Estimate:
    """One extrapolation."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    assumes: str


@dataclass(frozen=True)
class Measured:
    """What an estimate may rest on; None where that axis was not measured."""

    lines: Mapping[str, Line]  # by the name of the axis
    ratios: Mapping[str, Ratio]
    step_cpu_s: Sequence[float] = ()  # of pre-training by one process
    batch: int = 2
    weights: int = 0  # of the network trained there


def estimates(measured: Measured, scenario: Scenario) -> list[Estimate]:
    """All that the measured axes allow."""
    return [*_labelling(measured, scenario), *_pretraining(measured, scenario), *_storage(measured, scenario)]


def _labelling(measured: Measured, scenario: Scenario) -> list[Estimate]:
    found, lines = [], measured.lines
    pictures = scenario.frames * scenario.pictures_per_frame
    about = f"{scenario.frames:,} frames of {scenario.pictures_per_frame} pictures"
    if "pictures labelled: time" in lines:
        each = _slope(lines["pictures labelled: time"])
        hours = tuple(pictures * seconds / 3600 for seconds in each)
        found.append(Estimate("labels of pictures by ESPNet", *hours, "core hours", f"{about}; each as PandaSet's"))
        if "Ray workers" in measured.ratios:
            ratio = measured.ratios["Ray workers"]
            shares = (ratio.value / ratio.workers, ratio.high / ratio.workers, ratio.low / ratio.workers)
            wall = tuple(hour / (scenario.workers * share) for hour, share in zip(hours, shares, strict=True))
            assumes = f"{scenario.workers} workers of a core each, every one as efficient as two were here ({100 * shares[0]:.0f} %)"
            found.append(Estimate("the same on a cluster of Ray", *wall, "hours", assumes))
    if "samples by Ray: time" in lines:
        tasks = min(-(-scenario.frames // _SAMPLES_PER_TASK), _MOST_RAY_TASKS)
        own = tuple(tasks * _SAMPLES_PER_TASK * seconds / 60 for seconds in _slope(lines["samples by Ray: time"]))
        found.append(
            Estimate(
                "what Ray Data itself takes of it", *own, "minutes", f"{tasks:,} tasks, the most that ray_rows() makes"
            )
        )
    if "pictures labelled: bytes" in lines:
        size = tuple(pictures * mb / 1e6 for mb in _slope(lines["pictures labelled: bytes"]))
        found.append(Estimate("labels of pictures on the disk", *size, "TB", about))
    if "points: time" in lines:
        cloud_ms = _at(lines["points: time"], scenario.points)
        hours = tuple(scenario.frames * each / 3.6e6 for each in cloud_ms)
        assumes = f"{scenario.frames:,} clouds of {scenario.points:,} points, one thread"
        found.append(Estimate("labels of clouds by the demo model", *hours, "core hours", assumes))
    return found


def _pretraining(measured: Measured, scenario: Scenario) -> list[Estimate]:
    if not measured.step_cpu_s:
        return []
    clouds = scenario.hours * 3600 * scenario.clouds_per_second * scenario.epochs
    step_s = _mean_interval(measured.step_cpu_s)
    about = (
        f"{clouds:,.0f} clouds: {scenario.hours:g} hours, {scenario.clouds_per_second:g} a second, {scenario.epochs} times; "
        "the small network, six pictures a cloud"
    )
    cores = tuple(clouds * each / measured.batch / 3600 for each in step_s)
    found = [Estimate("pre-training on one core", *cores, "core hours", about)]
    if "gradients: time" in measured.lines:
        n, gigabytes = scenario.processes, 4e-9 * measured.weights
        # A ring moves 2 (n - 1) / n of the gradients; between two processes, as measured, once.
        exchange_s = tuple(2 * (n - 1) / n * gigabytes * each for each in _slope(measured.lines["gradients: time"]))
        steps = clouds / (n * measured.batch)
        wall = tuple(steps * (step + sent) / 3600 for step, sent in zip(step_s, exchange_s, strict=True))
        assumes = (
            f"{n} processes of a core each; gradients of {measured.weights:,} weights in a ring as fast as between two processes of "
            f"this machine, {100 * exchange_s[0] / (step_s[0] + exchange_s[0]):.1f} % of a step"
        )
        found.append(Estimate("the same by processes of torch", *wall, "hours", assumes))
    return found


def _storage(measured: Measured, scenario: Scenario) -> list[Estimate]:
    found, lines = [], measured.lines
    seconds = scenario.vehicles * scenario.hours_a_day * 3600
    about = f"{scenario.vehicles} vehicles, {scenario.hours_a_day:g} hours a day"
    for axis, name in (("points: recording", "clouds"), ("points: labelled recording", "labelled clouds")):
        if axis in lines:
            size = tuple(seconds * scenario.lidar_hz * mb / 1e6 for mb in _at(lines[axis], scenario.points))
            assumes = f"{about}, {scenario.lidar_hz:g} clouds of {scenario.points:,} points a second, zstd"
            found.append(Estimate(f"a fleet's {name}", *size, "TB a day", assumes))
    if "pictures: recording" in lines:
        size = tuple(seconds * scenario.pictures_per_second * mb / 1e6 for mb in _slope(lines["pictures: recording"]))
        assumes = f"{about}, {scenario.pictures_per_second:g} pictures a second, each as PandaSet's"
        found.append(Estimate("a fleet's pictures", *size, "TB a day", assumes))
    return found


def _slope(line: Line) -> tuple[float, float, float]:
    return line.slope, line.slope_low, line.slope_high


def _at(line: Line, x: float) -> tuple[float, float, float]:
    return line.at(x), *line.interval_at(x)


def _mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    from scipy.stats import sem, t

    mean, half = float(np.mean(values)), float(t.ppf(0.975, len(values) - 1) * sem(values))
    return mean, mean - half, mean + half
