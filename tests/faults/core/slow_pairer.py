"""What FramePairer has to do, by looking through the whole history every time, and random schedules for both."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming

MS = 1_000_000
START = 1_700_000_000_000 * MS
MAX_WAIT_S, QUEUE_LENGTH = 0.1, 30


@dataclass(frozen=True)
class Event:
    """One message, or a tick of the timer (stream "tick")."""

    arrival_ns: int
    stream: str  # "cloud", a camera's name, or "tick"
    stamp_ns: int = 0


@dataclass
class SlowPairer:
    """The rules of FramePairer for clocks that never jump: the whole history is kept and looked through every time."""

    cameras: list[CameraTiming]
    live: bool = False
    heard: list[Event] = field(default_factory=list)
    given_out: list[Event] = field(default_factory=list)
    vain_waits: Counter[str] = field(default_factory=Counter)
    kept_waiting: list[Event] = field(default_factory=list)
    forgiven: int = 0

    def take(self, event: Event) -> list[tuple[int, dict[str, int]]]:
        """(cloud stamp, image stamp by camera) of the clouds that go out with this event."""
        already = [other.stamp_ns for other in self.heard if other.stream == "cloud" == event.stream]
        late = self.given_out and event.stream == "cloud" and event.stamp_ns <= self.given_out[-1].stamp_ns
        if event.stamp_ns not in already and not late:
            self._forgive(event)
            self.heard.append(event)
        waiting = sorted(
            (cloud for cloud in self.heard if cloud.stream == "cloud" and cloud not in self.given_out),
            key=lambda cloud: cloud.stamp_ns,
        )
        overdue = [cloud.stamp_ns for cloud in waiting if event.arrival_ns >= _deadline_ns(cloud)]
        leaving = []
        for cloud in waiting:
            must = bool(overdue) and cloud.stamp_ns <= max(overdue)
            if not must and not all(self._is_decided(cloud, camera, event.arrival_ns) for camera in self.cameras):
                break
            leaving.append(cloud)
        frames = []
        for cloud in leaving:
            self._judge(cloud, event.arrival_ns)
            found = {camera.name: self._nearest(cloud, camera) for camera in self.cameras}
            frames.append((cloud.stamp_ns, {name: stamp for name, stamp in found.items() if stamp is not None}))
        self.given_out += leaving
        return frames

    def _stamps(self, camera: CameraTiming) -> list[int]:
        return [event.stamp_ns for event in self.heard if event.stream == camera.name]

    def _nearest(self, cloud: Event, camera: CameraTiming) -> int | None:
        wanted = cloud.stamp_ns + round(camera.offset_s * 1e9)
        near = [(abs(stamp - wanted), stamp) for stamp in self._stamps(camera)]
        best = min(near, default=(1 << 62, 0))
        return best[1] if best[0] <= round(camera.max_time_difference_s * 1e9) else None

    def _newer_ones(self, camera: CameraTiming) -> list[Event]:
        """The images that were newer than all before."""
        events = [event for event in self.heard if event.stream == camera.name]
        return [event for place, event in enumerate(events) if event.stamp_ns > _newest_ns(events[:place])]

    def _period_ns(self, camera: CameraTiming) -> int | None:
        """The shortest of the last eight steps of the newest stamp, of three at least."""
        steps = [after.stamp_ns - before.stamp_ns for before, after in pairwise(self._newer_ones(camera))][-8:]
        return min(steps) if len(steps) >= 3 else None

    def _arrival_period_ns(self, camera: CameraTiming) -> int:
        return min(after.arrival_ns - before.arrival_ns for before, after in pairwise(self._newer_ones(camera)[-9:]))

    def _newest_arrival_ns(self, camera: CameraTiming) -> int:
        return self._newer_ones(camera)[-1].arrival_ns

    def _is_decided(self, cloud: Event, camera: CameraTiming, now_ns: int) -> bool:
        first_cloud_ns = next(event.arrival_ns for event in self.heard if event.stream == "cloud")
        arrivals = [event.arrival_ns for event in self.heard if event.stream == camera.name]
        wanted, tolerance = cloud.stamp_ns + round(camera.offset_s * 1e9), round(camera.max_time_difference_s * 1e9)
        newest, period = max(self._stamps(camera), default=-(1 << 62)), self._period_ns(camera)
        slow_ns = 5 * self._arrival_period_ns(camera) if period is not None else 0
        if newest >= wanted or now_ns - max(arrivals, default=first_cloud_ns) > max(1e9, slow_ns):
            return True
        if not self.live:
            return False
        if self.vain_waits[camera.name] >= 3:
            return True
        if period is None:
            return False
        # The first image of the camera's rhythm that belongs to the cloud, and is nearer than the newest one.
        following = newest + period
        while following < wanted - tolerance:
            following += period
        if following > wanted + tolerance or (wanted - newest <= min(tolerance, following - wanted)):
            return True
        steps = (following - newest) // period
        return self._newest_arrival_ns(camera) + steps * self._arrival_period_ns(camera) > _deadline_ns(cloud)

    def _judge(self, cloud: Event, now_ns: int) -> None:
        for camera in self.cameras:
            wanted = cloud.stamp_ns + round(camera.offset_s * 1e9)
            if max(self._stamps(camera), default=-(1 << 62)) >= wanted:
                self.vain_waits[camera.name] = 0
            elif now_ns >= _deadline_ns(cloud) and not self._is_decided(cloud, camera, now_ns):
                self.vain_waits[camera.name] += 1
        if now_ns >= _deadline_ns(cloud):
            self.kept_waiting.append(cloud)

    def _forgive(self, event: Event) -> None:
        """An image that would have come in time ends the distrust in its camera."""
        for camera in self.cameras:
            if camera.name == event.stream and self.vain_waits[camera.name] >= 3:
                before = max(self._stamps(camera), default=-(1 << 62))
                offset = round(camera.offset_s * 1e9)
                for cloud in self.given_out:
                    in_time = event.arrival_ns < _deadline_ns(cloud) and cloud not in self.kept_waiting
                    if before < cloud.stamp_ns + offset <= event.stamp_ns and in_time:
                        self.vain_waits[camera.name] = 0
                        self.forgiven += 1


def _newest_ns(events: list[Event]) -> int:
    return max((event.stamp_ns for event in events), default=-(1 << 62))


def _deadline_ns(cloud: Event) -> int:
    return cloud.arrival_ns + round(MAX_WAIT_S * 1e9)


def schedule(rng: np.random.Generator, clouds: int) -> tuple[list[CameraTiming], list[Event]]:
    """Cameras of any rate, phase, offset and delay, with jitter, 30 % loss, doubles, swaps and silences."""
    cameras, events = [], []
    period_ns = int(rng.choice([50, 100])) * MS
    end_ns = clouds * period_ns
    for number in range(int(rng.integers(0, 5))):
        offset_s = float(rng.choice([0.0, 0.03, -0.16, rng.uniform(-0.2, 0.2)]))
        timing = CameraTiming(f"camera{number}", offset_s, float(rng.uniform(0.005, 0.08)))
        cameras.append(timing)
        step_ns = int(1e9 / rng.choice([5, 10, 12, 30]))
        loss = rng.choice([0.0, 0.0, 0.3])
        silence = sorted(rng.uniform(0, end_ns, 2)) if rng.random() < 0.3 else (0, 0)
        delay_ms, jitter_ms = rng.uniform(0, 60), rng.choice([0.0, 5.0, 80.0])
        for stamp_ns in range(int(rng.integers(step_ns)), end_ns, step_ns):
            if rng.random() < loss or silence[0] < stamp_ns < silence[1]:
                continue
            stamp = START + stamp_ns + round(offset_s * 1e9) + int(rng.integers(-2, 3)) * MS
            copies = 2 if rng.random() < 0.05 else 1
            for _ in range(copies):
                delay_ns = int((delay_ms + rng.uniform(0, jitter_ms)) * MS)
                events.append(Event(START + stamp_ns + delay_ns, timing.name, stamp))
    for number in range(1, clouds):
        # Every fifth cloud may come after the next one, or twice.
        delay_ns = int(rng.uniform(0, 20) * MS) + (period_ns if number % 5 == 0 and rng.random() < 0.3 else 0)
        stamp = START + number * period_ns
        events += [Event(stamp + delay_ns, "cloud", stamp)] * (2 if number % 5 == 1 and rng.random() < 0.1 else 1)
    ticks = [Event(START + at, "tick") for at in range(0, end_ns + 400 * MS, 25 * MS)]
    return cameras, sorted(events + ticks, key=lambda event: event.arrival_ns)
