"""FramePairer, rule by rule. Stamps and arrivals are written in milliseconds; a payload is its own stamp."""

import math
import weakref

import pytest

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.synchronisation.frame import Frame
from lidar_vl_core.cameras.synchronisation.frame_pairer import FramePairer
from lidar_vl_core.foundation.errors import BadConfig, BadRequest

MS = 1_000_000
START = 1_000_000 * MS  # no stamp is zero


class Payload(float):
    """A stamp that can be watched: it is gone when nobody holds it any more."""


class Feed:
    """Speaks milliseconds after START to a FramePairer and collects what it gives out."""

    def __init__(self, *cameras: CameraTiming | str, **settings) -> None:
        timings = [CameraTiming(camera) if isinstance(camera, str) else camera for camera in cameras]
        self.pairer = FramePairer(timings, **settings)
        self.frames: list[Frame] = []
        self._sent: list[weakref.ref[Payload]] = []

    def cloud(self, stamp: float, now: float | None = None) -> list:
        return self._collect(
            self.pairer.add_cloud(_ns(stamp), self._watched(stamp), _ns(stamp if now is None else now))
        )

    def image(self, name: str, stamp: float, now: float | None = None) -> list:
        return self._collect(
            self.pairer.add_image(name, _ns(stamp), self._watched(stamp), _ns(stamp if now is None else now))
        )

    def poll(self, now: float) -> list:
        return self._collect(self.pairer.poll(_ns(now)))

    def held(self) -> int:
        """Clouds and images that have not been given out, forgotten or collected in `frames`; forgets the latter."""
        self.frames.clear()
        self._sent = [payload for payload in self._sent if payload() is not None]
        return len(self._sent)

    def _watched(self, stamp: float) -> Payload:
        payload = Payload(stamp)
        self._sent.append(weakref.ref(payload))
        return payload

    def _collect(self, frames: list[Frame]) -> list:
        self.frames += frames
        return [(frame.cloud, {name: paired.image for name, paired in frame.images.items()}) for frame in frames]


def _ns(milliseconds: float) -> int:
    return START + round(milliseconds * MS)


def test_a_cloud_goes_out_as_soon_as_the_nearest_image_is_known():
    feed = Feed("a")
    feed.image("a", 80)
    assert feed.cloud(100) == []  # an image at 110 would be nearer
    assert feed.image("a", 115) == [(100, {"a": 115})]


def test_an_image_at_exactly_the_wanted_time_is_waited_for_no_longer():
    feed = Feed("a")
    feed.image("a", 100, now=105)
    assert feed.cloud(100, now=110) == [(100, {"a": 100})]


def test_without_cameras_every_cloud_goes_out_at_once():
    assert Feed().cloud(100) == [(100, {})]


def test_of_two_equally_near_images_the_earlier_is_taken():
    feed = Feed("a")
    feed.image("a", 90)
    feed.cloud(100)
    assert feed.image("a", 110) == [(100, {"a": 90})]


def test_one_image_serves_several_clouds():
    feed = Feed("a")
    feed.image("a", 100)
    feed.cloud(100)
    feed.cloud(120)
    assert feed.image("a", 160) == [(120, {"a": 100})]


def test_an_image_belongs_to_the_cloud_plus_the_cameras_own_offset():
    feed = Feed(CameraTiming("a", offset_s=-0.16), CameraTiming("b", offset_s=0.04))
    feed.image("a", 940)
    feed.image("a", 1000)
    feed.image("b", 1000)
    feed.cloud(1100)
    assert feed.image("b", 1140) == [(1100, {"a": 940, "b": 1140})]


def test_the_tolerance_is_each_cameras_own_and_includes_its_edge():
    feed = Feed(CameraTiming("near", max_time_difference_s=0.01), CameraTiming("far", max_time_difference_s=0.04))
    feed.image("near", 89)
    feed.image("far", 60)
    feed.image("near", 130)
    feed.cloud(100)
    assert feed.image("far", 190) == [(100, {"far": 60})]
    assert feed.frames[0].missing == ("near",)


def test_a_cloud_waits_for_its_images_no_longer_than_allowed_on_the_steady_clock():
    feed = Feed("a", "b", max_wait_s=0.1)
    feed.image("a", 100)
    feed.cloud(100, now=100)
    assert feed.poll(199) == []
    assert feed.poll(200) == [(100, {"a": 100})]
    assert feed.frames[0].missing == ("b",)
    assert feed.pairer.counters.incomplete == 1


def test_any_message_reminds_of_an_overdue_cloud():
    feed = Feed("a", "b")
    feed.cloud(100)
    assert feed.image("a", 130, now=230) == [(100, {"a": 130})]


def test_a_silent_camera_costs_no_waiting_and_is_welcomed_back():
    feed = Feed("a", "b", silent_after_s=0.5)
    for stamp in range(100, 1200, 100):
        feed.image("a", stamp)
        feed.cloud(stamp)
    feed.image("a", 1200)
    assert feed.cloud(1200) == [(1200, {"a": 1200})]
    feed.image("b", 1210)
    feed.image("a", 1300)
    assert feed.cloud(1300) == []
    assert feed.image("b", 1301) == [(1300, {"a": 1300, "b": 1301})]


def test_images_out_of_order_are_sorted_in():
    feed = Feed("a")
    feed.image("a", 60)
    feed.image("a", 140, now=141)
    feed.image("a", 95, now=142)
    assert feed.cloud(100, now=143) == [(100, {"a": 95})]


def test_clouds_out_of_order_go_out_in_order():
    feed = Feed("a")
    feed.cloud(200, now=210)
    feed.cloud(100, now=220)
    feed.image("a", 100, now=230)
    assert feed.image("a", 200, now=240) == [(200, {"a": 200})]
    assert [frame.cloud for frame in feed.frames] == [100, 200]


def test_an_overdue_cloud_takes_the_earlier_ones_with_it():
    feed = Feed("a", max_wait_s=0.1)
    feed.cloud(200, now=200)
    feed.cloud(100, now=290)
    assert feed.poll(300) == [(100, {}), (200, {})]


def test_a_cloud_for_a_time_that_went_out_is_counted_and_never_goes_out():
    feed = Feed()
    feed.cloud(200)
    assert feed.cloud(150, now=210) == []
    assert feed.pairer.counters.late == 1


def test_double_stamps_are_counted_and_the_first_is_kept():
    feed = Feed("a")
    feed.image("a", 100)
    feed.image("a", 100)
    feed.cloud(110)
    feed.cloud(110)
    feed.image("a", 120)
    feed.cloud(110)
    assert [frame.cloud for frame in feed.frames] == [110]
    assert feed.pairer.counters.duplicate == 3


def test_an_image_that_comes_after_its_time_went_out_is_counted_late():
    feed = Feed("a")
    feed.cloud(500)
    feed.poll(700)
    feed.image("a", 440, now=701)
    assert feed.pairer.counters.late == 1
    assert feed.held() == 0


@pytest.mark.parametrize("stamp_ns", [0, -5])
def test_messages_without_a_stamp_are_counted_and_left_out(stamp_ns):
    pairer = FramePairer([CameraTiming("a")])
    assert pairer.add_image("a", stamp_ns, None, START) == []
    assert pairer.add_cloud(stamp_ns, None, START) == []
    assert pairer.counters.dropped == 2
    assert pairer.poll(START + 10_000 * MS) == []


def test_no_queue_grows_beyond_its_length():
    feed = Feed("a", "b", queue_length=5, max_wait_s=1000, silent_after_s=1000)
    clouds = []
    for stamp in range(10, 1000, 10):
        feed.image("a", stamp)
        assert feed.held() <= 5 + 5
        clouds += [int(cloud) for cloud, _ in feed.cloud(stamp + 1)]
    assert clouds == [stamp + 1 for stamp in range(10, 950, 10)]


def test_images_alone_are_kept_for_a_bounded_time():
    feed = Feed("a", queue_length=5)
    for stamp in range(10, 1000, 10):
        feed.image("a", stamp)
    assert feed.held() == 5
    assert feed.pairer.counters.dropped == 94


def test_what_waits_when_the_clock_goes_back_goes_out_first():
    feed = Feed("a")
    feed.image("a", 99_990)
    feed.cloud(100_000)
    assert feed.cloud(10, now=100_010) == [(100_000, {"a": 99_990})]
    assert feed.image("a", 11, now=100_011) == [(10, {"a": 11})]
    assert feed.pairer.counters.jumps == 1


def test_images_of_the_new_time_that_came_before_its_first_cloud_are_used():
    feed = Feed("a", "b")
    for name in "ab":
        feed.image(name, 100_000)
    feed.cloud(100_000)
    feed.image("a", 10, now=100_010)
    feed.cloud(12, now=100_012)
    feed.image("a", 40, now=100_040)
    assert feed.image("b", 30, now=100_041) == [(12, {"a": 10, "b": 30})]


def test_an_image_of_the_old_time_is_never_paired_with_a_cloud_of_the_new():
    feed = Feed("a", loop_jump_s=0.2)
    feed.image("a", 500)
    feed.cloud(1000)
    feed.image("a", 1000)
    feed.image("a", 1100)
    assert feed.cloud(500, now=1110) == []
    assert feed.poll(1300) == [(500, {})]


def test_a_recording_shorter_than_the_jump_still_goes_on_when_it_loops():
    feed = Feed("a")
    for loop in range(10):
        for stamp in range(100, 700, 100):
            feed.image("a", stamp, now=loop * 600 + stamp)
            feed.cloud(stamp, now=loop * 600 + stamp)
    assert len(feed.frames) >= 10 * 6 * 0.6
    assert sum(not frame.missing for frame in feed.frames) >= 10 * 6 * 0.45
    assert all(frame.images["a"].stamp_ns == frame.stamp_ns for frame in feed.frames if not frame.missing)


def test_a_clock_set_forward_is_counted_once_and_pairing_goes_on():
    feed = Feed("a")
    hour = 3_600_000
    for stamp in (100, 200, 300 + hour, 400 + hour, 500 + hour):
        feed.image("a", stamp, now=stamp % hour)
        feed.cloud(stamp, now=stamp % hour)
    assert [frame.cloud for frame in feed.frames] == [100, 200, 300 + hour, 400 + hour, 500 + hour]
    assert feed.pairer.counters.jumps == 1


def test_a_pause_of_everything_is_no_jump():
    feed = Feed("a")
    feed.cloud(100)
    feed.cloud(60_000)
    assert feed.pairer.counters.jumps == 0


def test_one_wild_image_stamp_costs_only_that_cameras_next_images():
    feed = Feed("a", "b")
    for stamp in range(100, 3000, 100):
        feed.image("a", stamp)
        feed.image("b", 9_000_000 if stamp == 1500 else stamp, now=stamp)
        feed.cloud(stamp)
    complete = [frame for frame in feed.frames if not frame.missing]
    assert len(feed.frames) == 29
    assert len(complete) >= 27
    assert feed.pairer.counters.camera_jumps == 1
    assert feed.pairer.counters.jumps == 0


def test_an_unknown_camera_is_refused_by_name():
    with pytest.raises(BadRequest, match="'rear'"):
        FramePairer([CameraTiming("front")]).add_image("rear", START, None, START)


@pytest.mark.parametrize(
    ("cameras", "settings", "word"),
    [
        ([CameraTiming("a"), CameraTiming("a")], {}, "once"),
        ([], {"max_wait_s": -1.0}, "max_wait_s"),
        ([], {"max_wait_s": math.inf}, "max_wait_s"),
        ([], {"loop_jump_s": -1.0}, "loop_jump_s"),
        ([], {"silent_after_s": math.nan}, "silent_after_s"),
        ([], {"queue_length": 0}, "queue_length"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(cameras, settings, word):
    with pytest.raises(BadConfig, match=word):
        FramePairer(cameras, **settings)


@pytest.mark.parametrize(("setting", "value"), [("max_time_difference_s", -0.1), ("offset_s", math.nan)])
def test_a_timing_that_cannot_be_is_refused_by_the_cameras_name(setting, value):
    with pytest.raises(BadConfig, match=f"rear.{setting}: expected seconds"):
        CameraTiming("rear", **{setting: value})
