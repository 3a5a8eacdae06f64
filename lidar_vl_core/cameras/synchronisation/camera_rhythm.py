"""Predicts a camera's next image from its stamps and arrivals: when it comes, whether at all, and whether in time."""

from collections import deque
from dataclasses import dataclass

_INTERVALS = 8  # between images that the period is judged by
_FEWEST_INTERVALS = 3  # fewer tell no period
_SILENT_PERIODS = 5  # so many without an image are a silence, not a lost image
VAIN_WAITS = 3  # clouds in a row that waited to the end without its image


@dataclass(frozen=True)
class CameraState:
    """How one camera keeps step with the clouds: what happened so far, and how it is now."""

    received: int  # images that came
    unstamped: int  # of those, images without a stamp: of no use
    paired: int  # clouds that were given out with its image
    missed: int  # clouds that were given out without
    late: int  # images that came when the cloud they belong to had been given out without them
    silences: int  # times nothing came of it for so long that clouds no longer waited for it
    jumps: int  # times its clock went back
    silent_s: float | None  # since when nothing came, where that is a silence
    is_waited_for: bool  # false where waiting was in vain several times in a row
    period_s: float | None  # between its stamps, None as long as few came


class CameraRhythm:
    """Period, silence and punctuality of one camera."""

    __slots__ = (
        "_arrival_intervals_ns",
        "_heard_ns",
        "_intervals_ns",
        "_newest_arrival_ns",
        "_shortest_silence_ns",
        "_silences",
        "_vain_waits",
    )

    def __init__(self, silent_after_ns: int) -> None:
        """silent_after_ns: no shorter time without an image is a silence, whatever the period."""
        self._shortest_silence_ns = silent_after_ns
        self._intervals_ns: deque[int] = deque(maxlen=_INTERVALS)
        self._arrival_intervals_ns: deque[int] = deque(maxlen=_INTERVALS)
        self._newest_arrival_ns: int | None = None  # when the image with the newest stamp came, on the steady clock
        self._heard_ns: int | None = None  # last arrival on the steady clock
        self._silences = 0
        self._vain_waits = 0

    @property
    def period_ns(self) -> int | None:
        """The shortest of the last intervals, as a lost image makes them longer; None as long as few came."""
        return min(self._intervals_ns) if len(self._intervals_ns) >= _FEWEST_INTERVALS else None

    def expect_from(self, now_ns: int) -> None:
        """From now on, a camera that never sends counts as becoming silent."""
        if self._heard_ns is None:
            self._heard_ns = now_ns

    def heard(self, now_ns: int) -> None:
        """Note that an image arrived."""
        if self._heard_ns is not None and now_ns - self._heard_ns > self._shortest_silence_ns:
            self._silences += self.is_silent(now_ns)
        self._heard_ns = now_ns

    def passed(self, interval_ns: int | None, now_ns: int) -> None:
        """Count an image newer than all before, by this interval; None for the first one."""
        if interval_ns is not None and self._newest_arrival_ns is not None:
            self._intervals_ns.append(interval_ns)
            self._arrival_intervals_ns.append(now_ns - self._newest_arrival_ns)
        self._newest_arrival_ns = now_ns

    def stamps_jumped(self) -> None:
        """The camera's clock was set: forget what was learned from its stamps."""
        self._intervals_ns.clear()
        self._arrival_intervals_ns.clear()
        self._newest_arrival_ns = None

    @property
    def silent_after_ns(self) -> int:
        """From when on it is silent: several times as long as images of a slow camera are apart when they come."""
        if len(self._arrival_intervals_ns) < _FEWEST_INTERVALS:
            return self._shortest_silence_ns
        return max(self._shortest_silence_ns, _SILENT_PERIODS * min(self._arrival_intervals_ns))

    def is_silent(self, now_ns: int) -> bool:
        """Whether nothing came for longer than a lost image explains."""
        if self._heard_ns is None or now_ns - self._heard_ns <= self._shortest_silence_ns:
            return False
        return now_ns - self._heard_ns > self.silent_after_ns

    def silence_ends_ns(self) -> int | None:
        """When on the steady clock a silence would begin; None for a camera that nobody expects yet."""
        return None if self._heard_ns is None else self._heard_ns + self.silent_after_ns

    def silent_s(self, now_ns: int) -> float | None:
        """Seconds since the last image where that is a silence."""
        return (now_ns - self._heard_ns) / 1e9 if self._heard_ns is not None and self.is_silent(now_ns) else None

    def silences(self, now_ns: int) -> int:
        """Silences so far, one that lasts among them."""
        return self._silences + self.is_silent(now_ns)

    def nothing_nearer_comes(self, newest_ns: int, wanted_ns: int, tolerance_ns: int, deadline_ns: int) -> bool:
        """Whether by its period no later image belongs to a wanted time, is nearer than the newest one, and comes before a deadline.

        wanted_ns: after newest_ns. deadline_ns: on the steady clock. Intervals between arrivals, too, are taken for as short
        as the shortest of the last ones, so that rather a cloud waits in vain than an image is left out.
        """
        period_ns = self.period_ns
        if period_ns is None or self._newest_arrival_ns is None:
            return False
        steps = 1
        if wanted_ns - newest_ns > tolerance_ns:
            steps = -(-(wanted_ns - tolerance_ns - newest_ns) // period_ns)  # rounded up
            if newest_ns + steps * period_ns > wanted_ns + tolerance_ns:
                return True
        elif wanted_ns - newest_ns <= newest_ns + period_ns - wanted_ns:
            return True
        return self._newest_arrival_ns + steps * min(self._arrival_intervals_ns) > deadline_ns

    @property
    def is_waited_for(self) -> bool:
        """False after several clouds in a row waited for it in vain."""
        return self._vain_waits < VAIN_WAITS

    def waited_in_vain(self) -> None:
        """A cloud waited as long as it may, and left without its image."""
        self._vain_waits += 1

    def came_in_time(self) -> None:
        """An image came before a cloud had to leave, or would have."""
        self._vain_waits = 0
