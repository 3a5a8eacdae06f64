"""Clocks that jump, cameras that drop, stamps that come twice or out of order (faults 8 and 9)."""

import weakref
from dataclasses import dataclass

import numpy as np
import pytest

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.synchronisation.frame import Frame
from lidar_vl_core.cameras.synchronisation.frame_pairer import FramePairer
from tests.faults.core.slow_pairer import MAX_WAIT_S, MS, QUEUE_LENGTH, START, Event, SlowPairer, schedule


class Payload:
    """What a message carries; it is gone when nobody holds it any more."""


def feed(pairer: FramePairer, event: Event, payload: Payload | None = None) -> list[Frame]:
    if event.stream == "tick":
        return pairer.poll(event.arrival_ns)
    if event.stream == "cloud":
        return pairer.add_cloud(event.stamp_ns, payload, event.arrival_ns)
    return pairer.add_image(event.stream, event.stamp_ns, payload, event.arrival_ns)


@pytest.mark.parametrize("block", range(10))
def test_a_thousand_random_schedules_pair_as_the_slow_reference_does(block, figures):
    frames = sum(_pair_as_the_slow_one(seed, live=False).frames for seed in range(100 * block, 100 * block + 100))
    figures.count("random schedules", 100)
    figures.count("pairs compared", frames)
    assert frames > 1000


@pytest.mark.parametrize("block", range(4))
def test_random_schedules_in_a_running_system_pair_as_the_slow_reference_does(block, figures):
    seen = [_pair_as_the_slow_one(seed, live=True) for seed in range(100 * block, 100 * block + 100)]
    figures.count("random schedules", 100)
    assert sum(schedule.frames for schedule in seen) > 1000
    assert sum(schedule.distrusted for schedule in seen) > 10
    assert sum(schedule.forgiven for schedule in seen) > 0
    assert sum(schedule.late for schedule in seen) > 100


@dataclass(frozen=True)
class Paired:
    """What one schedule was an example of."""

    frames: int
    distrusted: int  # cameras that are no longer waited for at the end
    forgiven: int  # times a camera was waited for again
    late: int


def _pair_as_the_slow_one(seed: int, live: bool) -> Paired:
    cameras, events = schedule(np.random.default_rng(seed), clouds=20)
    pairer, slow = FramePairer(cameras, MAX_WAIT_S, QUEUE_LENGTH, live=live), SlowPairer(cameras, live)
    sent: weakref.WeakSet[Payload] = weakref.WeakSet()
    frames = 0
    for event in events:
        sent.add(payload := Payload())
        found = feed(pairer, event, payload)
        as_stamps = [(f.stamp_ns, {name: paired.stamp_ns for name, paired in f.images.items()}) for f in found]
        assert as_stamps == slow.take(event), (seed, event)
        assert all(set(f.missing) == {c.name for c in cameras} - set(f.images) for f in found)
        frames += len(found)
        del payload, found  # what is still there, the pairer holds
        assert len(sent) <= QUEUE_LENGTH * (1 + len(cameras))
    assert pairer.counters.emitted == len(slow.given_out)
    assert pairer.counters.jumps == pairer.counters.camera_jumps == 0
    states = pairer.camera_states(events[-1].arrival_ns).values()
    assert all(state.paired + state.missed == frames for state in states)
    assert sum(state.received for state in states) == sum(event.stream.startswith("camera") for event in events)
    distrusted = sum(not state.is_waited_for for state in states)
    return Paired(frames, distrusted, slow.forgiven, sum(state.late for state in states))


SIX = [CameraTiming(f"camera{i}", offset_s=0.01 * i, max_time_difference_s=0.03) for i in range(6)]


def drive(clouds: int, start_ns: int, now_ns: int, dead: str = "") -> list[Event]:
    """A LiDAR at 10 Hz, six cameras at 20 Hz, a few milliseconds of delay each."""
    events = []
    for number in range(clouds):
        at = number * 100 * MS
        events.append(Event(now_ns + at + 8 * MS, "cloud", start_ns + at))
        for index, camera in enumerate(SIX):
            if camera.name != dead:
                for half in (0, 50 * MS):
                    stamp = at + half + 10 * MS * index
                    events.append(Event(now_ns + stamp + (5 + 3 * index) * MS, camera.name, start_ns + stamp))
    return sorted(events, key=lambda event: event.arrival_ns)


def complete_of(frames: list[Frame], cameras: int = 6) -> int:
    """Frames with so many cameras, after checking that none holds a wrong pair."""
    for frame in frames:
        for camera in SIX:
            if camera.name in frame.images:
                off_ns = frame.images[camera.name].stamp_ns - frame.stamp_ns - round(camera.offset_s * 1e9)
                assert abs(off_ns) <= camera.max_time_difference_s * 1e9
    return sum(len(frame.images) == cameras for frame in frames)


@pytest.mark.slow
def test_after_each_of_a_hundred_loops_of_the_recording_a_thousand_clouds_are_paired(figures):
    pairer = FramePairer(SIX)
    events = drive(1000, START, 0)
    for loop in range(100):
        started_ns = loop * 100_000 * MS
        frames = []
        for event in events:
            if event.stream == "cloud":
                frames += pairer.add_cloud(event.stamp_ns, None, event.arrival_ns + started_ns)
            else:
                frames += pairer.add_image(event.stream, event.stamp_ns, None, event.arrival_ns + started_ns)
        complete = complete_of(frames)
        figures.count("loops of a recording", 1)
        figures.least("of 1,000 clouds paired at least", complete)
        assert complete >= 990
        assert pairer.counters.jumps == loop


def test_a_camera_silent_since_before_the_loop_does_not_stop_the_others():
    pairer = FramePairer(SIX)
    frames = [frame for event in drive(200, START, START) for frame in feed(pairer, event)]
    for event in drive(1000, START, START + 20_000 * MS, dead="camera3"):
        frames += feed(pairer, event)
    assert complete_of(frames[-1000:], cameras=5) >= 990


def test_images_still_on_their_way_when_the_recording_loops_do_no_lasting_harm():
    pairer = FramePairer(SIX, max_wait_s=0.2)
    first, second = drive(100, START, START), drive(100, START, START + 10_000 * MS)
    events = sorted(
        [
            Event(e.arrival_ns + (60 * MS if e.stream in ("camera1", "camera4") else 0), e.stream, e.stamp_ns)
            for e in first
        ]
        + second,
        key=lambda event: event.arrival_ns,
    )
    frames = [frame for event in events for frame in feed(pairer, event)]
    assert complete_of(frames) >= 195


def test_pairing_resumes_at_once_when_the_clock_is_set_forward_an_hour():
    pairer = FramePairer(SIX)
    hour_ns = 3_600_000 * MS
    frames = [frame for event in drive(100, START, START) for frame in feed(pairer, event)]
    for event in drive(100, START + hour_ns, START + 10_000 * MS):
        frames += feed(pairer, event)
    frames += pairer.poll(START + 21_000 * MS)
    assert len(frames) == 200
    assert complete_of(frames) >= 198
    assert pairer.counters.jumps == 1


def test_a_clock_that_stops_holds_nothing_back_for_ever():
    pairer = FramePairer(SIX)
    frames = [frame for event in drive(50, START, START) for frame in feed(pairer, event)]
    stuck = START + 5_000 * MS
    for step in range(200):
        now_ns = START + (5_000 + 10 * step) * MS
        frames += pairer.add_image("camera0", stuck, None, now_ns)
        frames += pairer.add_cloud(stuck, None, now_ns)
        frames += pairer.poll(now_ns)
    assert len(frames) == 51
    assert pairer.counters.duplicate >= 390
    for event in drive(50, START + 5_100 * MS, START + 7_100 * MS):
        frames += feed(pairer, event)
    assert complete_of(frames[-40:]) == 40


def test_a_third_of_the_images_lost_costs_only_their_own_pairs():
    rng = np.random.default_rng(8)
    pairer = FramePairer(SIX)
    events = [e for e in drive(1000, START, START) if e.stream == "cloud" or rng.random() > 0.3]
    frames = [frame for event in events for frame in feed(pairer, event)] + pairer.poll(START + 200_000 * MS)
    assert len(frames) == 1000
    complete_of(frames)
    received = {(event.stream, event.stamp_ns) for event in events}
    for frame in frames:
        for index, camera in enumerate(SIX):
            if (camera.name, frame.stamp_ns + 10 * MS * index) in received:
                assert frame.images[camera.name].stamp_ns == frame.stamp_ns + 10 * MS * index
