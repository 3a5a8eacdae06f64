"""What became of every cloud, and whether that is well: counters, latencies and a verdict. No ROS here."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# Every received cloud ends in exactly one of these; `waiting` is what is left.
OUTCOMES = ("served", "replaced", "stale", "bad", "unpaired", "failed", "unwatched", "discarded")
_BESIDES = (
    "lost",
    "jumps",
    "faults",
    "refused",
    "without_images",
    "thinned",
    "unjoined",
    "uncompensated",
    "unmerged",
    "other_engine",
    "partial",
)  # counted as well, without being an outcome
_TROUBLES = (
    "failed",
    "bad",
    "unpaired",
    "faults",
    "lost",
    "stale",
    "replaced",
    "without_images",
    "thinned",
    "unjoined",
    "uncompensated",
    "unmerged",
    "other_engine",
    "partial",
)
OK, WARN, ERROR = 0, 1, 2  # the levels of diagnostic_msgs/DiagnosticStatus
_WINDOW = 200  # latencies kept, 20 s of a 10 Hz LiDAR
_LOG_EVERY_NS = 5_000_000_000


@dataclass(frozen=True)
class Report:
    """One line of diagnostics: level, message, and every figure as text."""

    level: int
    message: str
    values: dict[str, str]


class Health:
    """Counts clouds by outcome; safe to use from the executor's thread and the worker's."""

    def __init__(self, input_timeout_ns: int = 2_000_000_000, max_processing_ms: float = 100.0) -> None:
        self._lock = threading.Lock()
        self._input_timeout_ns, self._max_processing_ms = input_timeout_ns, max_processing_ms
        self._counts: Counter[str] = Counter()
        self._at_last_report: Counter[str] = Counter()
        self._processing_ms: deque[float] = deque(maxlen=_WINDOW)
        self._latency_ms: deque[float] = deque(maxlen=_WINDOW)
        self._last_input_ns: int | None = None
        self._last_problem = ""
        self._last_logged_ns: dict[str, int] = {}

    def started(self, now_ns: int, input_timeout_ns: int, max_processing_ms: float) -> None:
        """Begin to expect input; the counters go on."""
        with self._lock:
            self._input_timeout_ns, self._max_processing_ms = input_timeout_ns, max_processing_ms
            self._last_input_ns = now_ns

    def received(self, now_ns: int) -> None:
        """A cloud arrived."""
        with self._lock:
            self._counts["received"] += 1
            self._last_input_ns = now_ns

    def count(self, what: str, number: int = 1, problem: str = "") -> None:
        """Count an outcome, or `lost` (in the transport), `jumps` (of the clock), `refused` (transitions), `faults`, `without_images`, `thinned`, `unjoined` (with earlier sweeps), `uncompensated` (for motion), `unmerged` (served without a further LiDAR), `other_engine` (than was asked for), `partial` (of which a part was looked at)."""
        with self._lock:
            self._counts[what] += number
            if problem:
                self._last_problem = problem

    def served(self, timing_ms: Mapping[str, float], latency_ms: float | None) -> None:
        """A labelled cloud left. latency_ms: from its stamp, None where the clocks do not allow to tell."""
        with self._lock:
            self._counts["served"] += 1
            self._processing_ms.append(timing_ms.get("total", sum(timing_ms.values())))
            if latency_ms is not None:
                self._latency_ms.append(latency_ms)

    def may_log(self, kind: str, now_ns: int) -> bool:
        """True once per kind and five seconds."""
        with self._lock:
            last = self._last_logged_ns.get(kind)
            if last is not None and now_ns - last < _LOG_EVERY_NS:
                return False
            self._last_logged_ns[kind] = now_ns
            return True

    def silent_s(self, now_ns: int) -> float | None:
        """Seconds without input if that is longer than allowed, else None."""
        with self._lock:
            quiet_ns = now_ns - (self._last_input_ns if self._last_input_ns is not None else now_ns)
        return quiet_ns / 1e9 if quiet_ns > self._input_timeout_ns else None

    def counts(self) -> dict[str, int]:
        """All counters, and `waiting`: clouds received that have no outcome yet."""
        with self._lock:
            return self._complete(self._counts)

    def report(self, now_ns: int, state: str) -> Report:
        """Judge what happened since the last report."""
        silent_s = self.silent_s(now_ns) if state == "active" else None
        with self._lock:
            since = self._counts - self._at_last_report
            self._at_last_report = self._counts.copy()
            processing = np.array(self._processing_ms or [0.0])
            values = {name: str(number) for name, number in self._complete(self._counts).items()}
            for name, samples in (("processing_ms", processing), ("latency_ms", np.array(self._latency_ms))):
                for percent in (50, 95, 99) if len(samples) else ():
                    values[f"{name}_p{percent}"] = f"{np.percentile(samples, percent):.1f}"
            level, message = self._verdict(state, silent_s, since, float(np.median(processing)))
            if self._last_problem:
                values["last_problem"] = self._last_problem
            return Report(level, message, {"state": state, **values})

    def _verdict(self, state: str, silent_s: float | None, since: Counter[str], median_ms: float) -> tuple[int, str]:
        if state != "active":
            return (ERROR if self._counts["refused"] and state == "unconfigured" else WARN), f"not serving: {state}"
        if silent_s is not None:
            return ERROR, f"no input for {silent_s:.0f} s"
        troubles = [f"{since[name]} {name}" for name in _TROUBLES if since[name]]
        if troubles:
            wholly = (since["failed"] or since["bad"] or since["unpaired"]) and not since["served"]
            return (ERROR if wholly else WARN), "since the last report: " + ", ".join(troubles)
        if median_ms > self._max_processing_ms:
            return WARN, f"processing takes {median_ms:.0f} ms, more than {self._max_processing_ms:.0f} ms"
        return OK, "serving" if since["served"] else "waiting for input or for somebody to listen"

    @staticmethod
    def _complete(counts: Counter[str]) -> dict[str, int]:
        names = ("received", *OUTCOMES, *_BESIDES)
        waiting = counts["received"] - sum(counts[name] for name in OUTCOMES)
        return {name: counts[name] for name in names} | {"waiting": waiting}
