"""Whether a camera keeps up with the clouds: its counters and a verdict. No ROS here."""

import threading
from collections import Counter
from collections.abc import Mapping

from lidar_vl_core.cameras.synchronisation.camera_rhythm import CameraState
from lidar_vl_ros.health.health import ERROR, OK, WARN, Report

_TROUBLES = ("undecodable", "unplaced", "static_chain")


class CameraHealth:
    """Counts what became of one camera's images; safe to use from the executor's thread and the workers'."""

    def __init__(self, required: bool) -> None:
        self._lock = threading.Lock()
        self._required = required
        self._counts: Counter[str] = Counter()
        self._at_last_report: Counter[str] = Counter()
        self._last_problem = ""

    def count(self, what: str, problem: str) -> None:
        """Count an image by its problem, and note that in words: `undecodable` (or of another size than in camera_info), `unplaced` (no camera_info or transform), `static_chain` (placed as if nothing had moved)."""
        with self._lock:
            self._counts[what] += 1
            self._last_problem = problem

    def values(self, state: CameraState) -> dict[str, int]:
        """All counters by name."""
        with self._lock:
            counts = {what: self._counts[what] for what in _TROUBLES}
        return {
            "received": state.received,
            "paired": state.paired,
            "missed": state.missed,
            "late": state.late,
            "silent": state.silences,
            "jumps": state.jumps,
            "unstamped": state.unstamped,
            **counts,
        }

    def report(self, state: CameraState, topic: str, uncalibrated: str) -> Report:
        """Judge what happened since the last report. uncalibrated: topic of the missing camera_info, or empty."""
        values = self.values(state)
        since = Counter(values) - self._at_last_report
        self._at_last_report = Counter(values)
        level, message = self._verdict(state, since, topic, uncalibrated)
        told = {name: str(number) for name, number in values.items()}
        if state.period_s is not None:
            told["period_ms"] = f"{1e3 * state.period_s:.1f}"
        return Report(level, message, {"topic": topic, **told})

    def _verdict(self, state: CameraState, since: Counter[str], topic: str, uncalibrated: str) -> tuple[int, str]:
        worst = ERROR if self._required else WARN
        clouds = since["paired"] + since["missed"]
        if state.silent_s is not None:
            return worst, f"silent: no image on {topic} for {state.silent_s:.0f} s"
        if since["unstamped"]:
            return worst, f"{since['unstamped']} images without a stamp cannot be used: fix the camera's driver"
        if uncalibrated and state.received:
            return WARN, f"no usable camera_info on {uncalibrated}: its images cannot be placed"
        if not state.is_waited_for:
            return (
                worst,
                "late: clouds no longer wait for it. Is camera_max_wait_s shorter than the delay of its images?",
            )
        if since["undecodable"] or since["unplaced"]:
            troubles = [f"{since[what]} {what}" for what in _TROUBLES if since[what]]
            return WARN, f"since the last report: {', '.join(troubles)}: {self._last_problem}"
        if clouds and since["received"] and not since["paired"]:
            return (
                worst,
                f"none of {clouds} clouds matched any of {since['received']} images: check offset_s and tolerance_s",
            )
        return OK, f"{since['paired']} of {clouds} clouds got an image" if clouds else "no clouds to pair"


def told_in_a_line(values: Mapping[str, int]) -> str:
    """Counters as one log line."""
    return ", ".join(f"{number} {name}" for name, number in values.items())


def cameras_report(reports: Mapping[str, Report], unpaired: int) -> Report:
    """All cameras in one line. reports: one per camera, by name. unpaired: clouds so far that lacked a required image."""
    ill = {name: report for name, report in reports.items() if report.level != OK}
    values = {name: report.message for name, report in reports.items()} | {"unpaired": str(unpaired)}
    if not ill:
        return Report(OK, f"{len(reports)} in step" if reports else "not listening", values)
    first = next(iter(ill))
    level = max(report.level for report in ill.values())
    return Report(level, f"{len(ill)} of {len(reports)} have a problem: {first}: {ill[first].message}", values)
