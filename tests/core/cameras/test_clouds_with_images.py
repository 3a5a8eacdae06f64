"""The running system's pairing: which cloud waits, for which camera, how long, and what is counted. Times in milliseconds."""

from collections import Counter

import pytest

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.synchronisation.clouds_with_images import CloudsWithImages
from lidar_vl_core.foundation.errors import BadConfig
from tests.core.cameras.running_system import MS, START, System


def test_a_camera_in_step_is_waited_for_only_until_its_image_comes():
    system = System("front").run(2000, front=(100, 40))
    assert system.differences_ms("front") == {0: 20}
    assert system.longest_wait_ms(after_ms=400) == 35
    assert (system.state("front").paired, system.state("front").missed) == (20, 0)


def test_a_fast_camera_is_not_waited_for_where_its_newest_image_is_the_nearest():
    system = System("front").run(3000, front=(30, 10, 20))
    assert system.longest_wait_ms(after_ms=400) <= 20
    assert max(abs(off) for off in system.differences_ms("front")) <= 20


def test_a_camera_slower_than_the_lidar_gives_what_it_has_and_makes_no_cloud_wait_in_vain():
    system = System("front").run(10_000, front=(500, 20))
    assert system.differences_ms("front")[0] >= 17  # of 20: its rhythm must be heard first
    waits = [waited for (stamp, _), waited in system.waited_ms.items() if stamp >= 2000]
    assert Counter(waits) == {0: 64, 15: 16}
    assert system.state("front").silences == 0


def test_a_slow_camera_with_a_wide_tolerance_gives_its_latest_image_at_once():
    system = System(CameraTiming("front", max_time_difference_s=0.26)).run(10_000, front=(500, 20))
    found = system.differences_ms("front")
    assert set(found) == {0, -100, -200, None}  # an image of the future is not waited for
    assert found[-100] == found[-200] == 20
    assert found[0] >= 17
    assert system.longest_wait_ms(after_ms=2000) == 15


def test_a_camera_that_is_always_late_makes_three_clouds_wait_and_no_more():
    system = System("front").run(5000, front=(100, 260))
    assert [stamp for (stamp, _), waited in system.waited_ms.items() if waited >= 100] == [0, 100, 200]
    assert system.longest_wait_ms(after_ms=300) <= 10
    assert system.longest_wait_ms(after_ms=400) == 0
    state = system.state("front")
    assert (state.paired, state.missed, state.late, state.is_waited_for) == (0, 50, 50, False)


def test_a_late_camera_is_waited_for_again_as_soon_as_one_image_would_have_come_in_time():
    system = System("front").run(2000, front=(100, 260))
    system.run(4000, from_ms=2000, front=(100, 30))
    assert system.state("front").is_waited_for
    assert system.waited_ms[3000, 3005.0] == 25
    assert system.differences_ms("front")[0] >= 18


def test_a_silent_camera_is_dropped_from_waiting_told_and_welcomed_back():
    system = System("front", "rear").run(2000, front=(100, 20), rear=(100, 20))
    system.run(6000, from_ms=2000, front=(100, 20))
    assert sum(waited > 15 for (stamp, _), waited in system.waited_ms.items() if stamp >= 2000) == 3
    assert (system.state("rear").silences, system.state("rear").silent_s) == (1, pytest.approx(4.37, abs=0.05))
    system.run(8000, from_ms=6300, front=(100, 20), rear=(100, 20))
    state = system.state("rear")
    assert (state.silences, state.silent_s, state.is_waited_for) == (1, None, True)
    assert system.frames[-1].missing == ()


def test_a_camera_that_never_spoke_is_silent_and_costs_no_cloud_more_than_the_longest_wait():
    system = System("front").run(3000)
    assert len(system.frames) == 30
    assert system.longest_wait_ms() <= 110
    assert system.longest_wait_ms(after_ms=400) == 0
    assert system.state("front").silences == 1


def test_a_camera_that_sends_every_other_second_is_not_called_silent():
    system = System("front").run(30_000, front=(2000, 20))
    assert system.state("front").silences <= 3  # while its rhythm is not known
    assert system.differences_ms("front")[0] >= 12


def test_clouds_whose_images_nobody_needs_leave_at_once_and_are_counted_as_if_somebody_did():
    system = System("front", images_needed=False).run(2000, front=(100, 40))
    assert system.longest_wait_ms() == 0
    assert not system.clouds.waits
    assert all(frame.images == {} and frame.missing == ("front",) for frame in system.frames)
    assert (system.state("front").paired, system.state("front").missed) == (20, 0)


def test_clouds_keep_their_order_when_nobody_needs_images_any_more():
    system = System("front", max_wait_s=5.0)
    system.send("", 100, 105)
    system.images_needed = False
    assert [frame.cloud[0] for frame in system.send("", 200, 205)] == [100, 200]
    assert not system.clouds.waits


def test_an_offset_is_where_the_image_is_looked_for():
    system = System(CameraTiming("front", offset_s=-0.16)).run(3000, front=(100, 20, 40))
    assert set(system.differences_ms("front")) <= {-160, None}
    assert system.state("front").missed <= 2


@pytest.mark.parametrize("stamps", [(0, 0), (100, 100), (300, 200)], ids=["none", "double", "late"])
def test_clouds_that_cannot_be_paired_are_handed_on_at_once_and_once(stamps):
    system, frames = System("front"), []
    for number, stamp in enumerate(stamps):
        stamp_ns, now_ns = stamp and START + stamp * MS, START + stamp * MS
        frames += system.clouds.add_cloud(stamp_ns, (number, 0), now_ns, images_needed=True)
        frames += system.clouds.add_image("front", START + stamp * MS, None, now_ns)
    assert sorted(frame.cloud[0] for frame in frames) == [0, 1]
    assert not system.clouds.waits


def test_every_cloud_of_a_bag_that_loops_is_handed_on_once_and_pairing_resumes():
    system = System("front", "rear", max_wait_s=0.2)
    for loop in range(5):
        system.run(3000 * (loop + 1), from_ms=3000 * loop, jump_ms=-3000 * loop, front=(100, 30), rear=(100, 130))
    assert Counter(frame.cloud for frame in system.frames) == Counter(system.waited_ms.keys())
    assert len(system.frames) == 150
    for name in ("front", "rear"):
        assert set(system.differences_ms(name)) <= {0, None}
        assert system.differences_ms(name)[0] >= 140, name
        assert system.state(name).jumps <= 4


def test_one_cameras_clock_that_jumps_costs_the_other_nothing():
    system = System("front", "rear").run(2000, front=(100, 30), rear=(100, 20))
    for at in range(2000, 4000, 100):
        system.send("", at, at + 5)
        system.send("rear", at - 900_000 + (at >= 3000) * 1_800_000, at + 20)
        system.send("front", at, at + 30)
        system.send("poll", 0, at + 90)
    assert system.differences_ms("front") == {0: 40}
    assert system.longest_wait_ms(after_ms=2400) <= 110
    assert system.state("rear").jumps >= 1


def test_images_without_a_stamp_are_counted_and_keep_no_cloud_waiting_for_long():
    system = System("front")
    for at in range(0, 3000, 100):
        system.send("", at, at + 5)
        system.clouds.add_image("front", 0, None, START + (at + 20) * MS)
        system.send("poll", 0, at + 95)
    assert (system.state("front").unstamped, system.state("front").paired) == (30, 0)
    assert system.longest_wait_ms(after_ms=600) == 0


def test_a_clock_that_was_set_hands_on_what_waits_with_the_images_there_are():
    system = System("front", "rear", max_wait_s=5.0)
    system.send("front", 110, 111)
    system.send("", 100, 112)
    (frame,) = system.clouds.restart()
    assert (frame.cloud[0], list(frame.images), frame.missing) == (100, ["front"], ("rear",))
    assert not system.clouds.waits


@pytest.mark.parametrize("images_needed", [True, False])
def test_clouds_wait_for_transforms_of_their_time_and_keep_their_order(images_needed):
    system = System("front", max_wait_s=1.0)
    system.transforms_until_ms = 50
    for stamp in (100, 200):
        system.send("front", stamp, stamp)
        assert system.send("", stamp, stamp + 5) == []
    assert system.clouds.waits
    system.transforms_until_ms = 150
    assert [frame.cloud[0] for frame in system.send("poll", 0, 210)] == [100]
    system.images_needed = images_needed
    system.transforms_until_ms = 300
    assert [frame.cloud[0] for frame in system.send("", 300, 305)] == ([200] if images_needed else [200, 300])
    assert [len(frame.images) for frame in system.frames[:2]] == [1, 1]


@pytest.mark.parametrize("what", ["image", "transforms"])
def test_no_more_than_twenty_clouds_wait_however_long_they_may(what):
    system = System(CameraTiming("front", max_time_difference_s=5.0), max_wait_s=10.0)
    if what == "transforms":
        system.transforms_until_ms = -1
    handed = 0
    for stamp in range(0, 900, 10):
        if what == "transforms":
            system.send("front", stamp, stamp)
        handed += len(system.send("", stamp, stamp))
    assert handed == 90 - 20


def test_transforms_that_always_come_too_late_make_three_clouds_wait_and_no_more():
    system = System("front")
    system.transforms_until_ms = -1
    system.run(2000, front=(100, 0))
    assert [stamp for (stamp, _), waited in system.waited_ms.items() if waited >= 95] == [0, 100, 200]
    assert system.longest_wait_ms(after_ms=400) == 0
    system.transforms_until_ms = 2000
    system.run(2100, from_ms=2000, front=(100, 0))
    system.transforms_until_ms = -1
    system.run(2200, from_ms=2100, front=(100, 0))
    assert system.waited_ms[2100, 2105.0] >= 95


def test_stopped_it_tells_how_many_clouds_waited_and_begins_anew():
    system = System("front", max_wait_s=5.0)
    for stamp in (100, 200):
        system.send("", stamp, stamp)
    assert system.clouds.stop() == 2
    assert system.send("front", 200, 210) == []
    assert [frame.cloud[0] for frame in system.send("", 150, 300)] == [150]


def test_without_cameras_every_cloud_is_handed_on_at_once():
    assert [frame.cloud[0] for frame in System().send("", 100, 100)] == [100]


def test_a_camera_given_twice_is_refused():
    with pytest.raises(BadConfig, match="each name once"):
        CloudsWithImages([CameraTiming("front"), CameraTiming("front")], 0.1)
