"""What became of every cloud, and how long it took: counters and latencies. No ROS here."""

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
    "ahead",
    "delayed",
    "faults",
    "refused",
    "without_images",
    "thinned",
    "unjoined",
    "unplaced",
    "uncompensated",
    "unmerged",
    "other_engine",
    "partial",
)  # counted as well, without being an outcome
OK, WARN, ERROR = 0, 1, 2  # the levels of diagnostic_msgs/DiagnosticStatus
_WINDOW = 200  # latencies kept, 20 s of a 10 Hz LiDAR
_LOG_EVERY_NS = 5_000_000_000


@dataclass(frozen=True)
class Report:
    """One line of diagnostics: level, message, and every figure as text."""

    level: int
    message: str
    values: dict[str, str]


@dataclass(frozen=True)
class Limits:
    """The limits that the node is judged by."""

    input_timeout_ns: int = 2_000_000_000
    max_processing_ms: float = 100.0
    max_consecutive_delays: int = 10


@dataclass(frozen=True)
class Since:
    """What happened between two reports, and the state at the second one."""

    limits: Limits
    state: str  # label of the lifecycle, or "warming up"
    silent_s: float | None  # how long nothing came, where that is too long
    duration_s: float  # since the report before, 0: this is the first one
    counts: Mapping[str, int]  # of all time
    since: Counter[str]  # those that grew, and by how much
    delays_in_a_row: int  # up to the last cloud that was served
    processing_ms: np.ndarray  # of the last 200 clouds that were served
    latency_ms: np.ndarray
    last_problem: Mapping[str, str]  # by what was counted


class Health:
    """Counts clouds by outcome; safe to use from the executor's thread and the worker's."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._lock = threading.Lock()
        self._limits = limits or Limits()
        self._counts: Counter[str] = Counter()
        self._at_last_report: Counter[str] = Counter()
        self._last_report_ns: int | None = None
        self._delays_in_a_row = 0
        self._processing_ms: deque[float] = deque(maxlen=_WINDOW)
        self._latency_ms: deque[float] = deque(maxlen=_WINDOW)
        self._last_input_ns: int | None = None
        self._last_problem: dict[str, str] = {}
        self._last_logged_ns: dict[str, int] = {}

    def started(self, now_ns: int, limits: Limits) -> None:
        """Start to expect input; the counters continue."""
        with self._lock:
            self._limits, self._last_input_ns, self._delays_in_a_row = limits, now_ns, 0

    def received(self, now_ns: int) -> None:
        """Count a cloud that arrived."""
        with self._lock:
            self._counts["received"] += 1
            self._last_input_ns = now_ns

    def count(self, what: str, number: int = 1, problem: str = "") -> None:
        """Count an outcome, or `lost` (in the transport), `jumps` (of the clock), `ahead` (of the clock, so that their age is unknown), `refused` (transitions), `faults`, `without_images`, `thinned`, `unjoined` (with earlier sweeps), `unplaced` (images), `uncompensated` (for motion), `unmerged` (served without an additional LiDAR), `other_engine` (than requested), `partial` (only part of the points processed)."""
        with self._lock:
            self._counts[what] += number
            if problem:
                self._last_problem[what] = problem

    def served(self, timing_ms: Mapping[str, float], latency_ms: float | None) -> None:
        """Count a published answer, as `delayed` too if it took too long. latency_ms: from the cloud's stamp; None if unknown."""
        total_ms = timing_ms.get("total", sum(timing_ms.values()))
        with self._lock:
            self._counts["served"] += 1
            is_delayed = total_ms > self._limits.max_processing_ms
            self._counts["delayed"] += is_delayed
            self._delays_in_a_row = self._delays_in_a_row + 1 if is_delayed else 0
            self._processing_ms.append(total_ms)
            if latency_ms is not None:
                self._latency_ms.append(latency_ms)

    def may_log(self, kind: str, now_ns: int) -> bool:
        """True at most once every five seconds for each kind."""
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
            return quiet_ns / 1e9 if quiet_ns > self._limits.input_timeout_ns else None

    def counts(self) -> dict[str, int]:
        """All counters, and `waiting`: clouds received that have no outcome yet."""
        with self._lock:
            return self._complete(self._counts)

    def since_last_report(self, now_ns: int, state: str) -> Since:
        """Everything since the last report; the next one starts from here."""
        silent_s = self.silent_s(now_ns) if state == "active" else None
        with self._lock:
            since, self._at_last_report = self._counts - self._at_last_report, self._counts.copy()
            before_ns, self._last_report_ns = self._last_report_ns, now_ns
            return Since(
                limits=self._limits,
                state=state,
                silent_s=silent_s,
                duration_s=0.0 if before_ns is None else (now_ns - before_ns) / 1e9,
                counts=self._complete(self._counts),
                since=since,
                delays_in_a_row=self._delays_in_a_row,
                processing_ms=np.array(self._processing_ms),
                latency_ms=np.array(self._latency_ms),
                last_problem=dict(self._last_problem),
            )

    @staticmethod
    def _complete(counts: Counter[str]) -> dict[str, int]:
        names = ("received", *OUTCOMES, *_BESIDES)
        waiting = counts["received"] - sum(counts[name] for name in OUTCOMES)
        return {name: counts[name] for name in names} | {"waiting": waiting}
