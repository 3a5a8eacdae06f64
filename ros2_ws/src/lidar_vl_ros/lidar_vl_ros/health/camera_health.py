"""Whether a camera keeps step with the clouds: its figures and a verdict. No ROS here."""

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

    def count(self, what: str) -> None:
        """Count an image as `undecodable` (or of another size than the camera_info), `unplaced` (no camera_info, no transform), or of a `static_chain` (placed as if nothing moved meanwhile)."""
        with self._lock:
            self._counts[what] += 1

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
        """Judge what happened since the last report. uncalibrated: topic of the camera_info that is missing, else empty."""
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
            return worst, f"{since['unstamped']} images without a stamp, of no use: correct its driver"
        if uncalibrated and state.received:
            return WARN, f"no camera_info that can be used on {uncalibrated}: its images have no place"
        if not state.is_waited_for:
            return worst, "late: clouds no longer wait for it. Is camera_max_wait_s shorter than the way of its images?"
        if since["undecodable"] or since["unplaced"]:
            troubles = [f"{since[what]} {what}" for what in _TROUBLES if since[what]]
            return WARN, "since the last report: " + ", ".join(troubles)
        if clouds and since["received"] and not since["paired"]:
            return worst, f"none of {clouds} clouds got one of {since['received']} images: see offset_s and tolerance_s"
        return OK, f"{since['paired']} of {clouds} clouds got an image" if clouds else "no cloud to pair"


def told_in_a_line(values: Mapping[str, int]) -> str:
    """Counters as one line of a log."""
    return ", ".join(f"{number} {name}" for name, number in values.items())


def cameras_report(reports: Mapping[str, Report], unpaired: int) -> Report:
    """All cameras in one line. reports: of each, by name; unpaired: clouds that lacked a required image, so far."""
    ill = {name: report for name, report in reports.items() if report.level != OK}
    values = {name: report.message for name, report in reports.items()} | {"unpaired": str(unpaired)}
    if not ill:
        return Report(OK, f"{len(reports)} keep step" if reports else "not listening", values)
    first = next(iter(ill))
    level = max(report.level for report in ill.values())
    return Report(level, f"{len(ill)} of {len(reports)} with trouble: {first}: {ill[first].message}", values)
