"""Several senders of clouds: each is paired with the images of its own time."""

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.synchronisation.clouds_of_senders import MOST_SENDERS, CloudsOfSenders
from lidar_vl_core.cameras.synchronisation.clouds_with_images import CloudsWithImages

MS = 1_000_000
START_NS = 1_000_000 * MS


def _clouds() -> CloudsOfSenders:
    return CloudsOfSenders(lambda: CloudsWithImages([CameraTiming("front", 0.0, 0.05)], 0.1))


def _run(clouds, offsets_ms, rounds, clock_jumps=()):
    """Senders at 10 Hz whose stamps lie apart, and a camera at 10 Hz with the stamps of each of them."""
    frames = []
    for round_ in range(rounds):
        for sender, offset_ms in enumerate(offsets_ms):
            now_ns = START_NS + (100 * round_ + sender) * MS
            frames += clouds.add_cloud(
                sender, START_NS + (100 * round_ + offset_ms) * MS, (sender, round_), now_ns, True
            )
            frames += clouds.add_image("front", START_NS + 100 * round_ * MS, f"image {round_}", now_ns)
        frames += clouds.poll(START_NS + (100 * round_ + 99) * MS)
    return frames


def test_senders_600_ms_apart_are_each_paired_with_the_images_of_their_time():
    frames = _run(_clouds(), (0, -600), 40)
    for sender, first in ((0, 0), (1, 6)):  # the second one's first clouds are of a time before all images
        own = [frame for frame in frames if frame.cloud[0] == sender]
        assert len(own) == 40
        assert [frame.images["front"].image for frame in own[first:]] == [
            f"image {round_}" for round_ in range(40 - first)
        ]


def test_a_sender_whose_clock_jumps_forgets_no_images_of_the_other():
    clouds = _clouds()
    frames = _run(clouds, (0,), 5)
    for round_ in range(5, 20):
        now_ns = START_NS + 100 * round_ * MS
        frames += clouds.add_image("front", now_ns, f"image {round_}", now_ns)
        clouds.add_cloud(1, START_NS - (-1) ** round_ * 100_000 * MS, (1, round_), now_ns, True)
        frames += clouds.add_cloud(0, now_ns, (0, round_), now_ns, True)
    own = [frame for frame in frames if frame.cloud[0] == 0]
    assert [frame.images["front"].image for frame in own] == [f"image {round_}" for round_ in range(20)]
    state = clouds.camera_states(START_NS + 2000 * MS)["front"]
    assert (state.received, state.paired) == (20, 20)


def test_senders_beyond_the_most_take_the_place_of_the_one_that_was_silent_for_longest():
    clouds = _clouds()
    waiting = [clouds.add_cloud(sender, START_NS, sender, START_NS, True) for sender in range(MOST_SENDERS)]
    assert [frame for frames in waiting for frame in frames] == []
    assert [frame.cloud for frame in clouds.add_cloud(99, START_NS, 99, START_NS, True)] == [0]
    assert clouds.waits
    assert clouds.stop() == MOST_SENDERS
    assert not clouds.waits
