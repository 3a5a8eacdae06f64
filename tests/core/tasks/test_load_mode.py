"""Less of each cloud is looked at soon, more again late."""

from lidar_vl_core.tasks.load_mode import SHARES, LoadMode


def shares(mode: LoadMode, took_ms: list[float]) -> list[float]:
    """The share of each cloud, when whole clouds take so long and parts less in proportion."""
    found = []
    for took in took_ms:
        found.append(mode.share)
        mode.answered(took * mode.share, others_lost=False)
    return found


def test_whole_clouds_are_looked_at_while_they_are_in_time():
    assert set(shares(LoadMode(100.0), [60.0] * 200)) == {1.0}


def test_single_slow_clouds_change_nothing():
    assert set(shares(LoadMode(100.0), ([150.0] + [60.0] * 9) * 20)) == {1.0}


def test_three_slow_clouds_among_ten_are_enough_for_the_next_share():
    assert shares(LoadMode(100.0), [150.0, 60.0, 150.0, 60.0, 150.0, 150.0]) == [1.0] * 5 + [0.5]


def test_clouds_that_are_replaced_meanwhile_count_as_slow_ones():
    mode = LoadMode(100.0)
    assert [mode.answered(60.0, others_lost=True) for _ in range(3)] == [False, False, True]
    assert mode.share == 0.5


def test_it_stops_at_the_smallest_share():
    assert shares(LoadMode(100.0), [1000.0] * 100)[-1] == SHARES[-1]


def test_a_load_that_lasts_does_not_make_it_change_to_and_fro():
    found = shares(LoadMode(100.0), [150.0] * 500)
    assert found == [1.0] * 3 + [0.5] * 497


def test_after_the_load_it_returns_step_by_step():
    mode = LoadMode(100.0)
    shares(mode, [790.0] * 20)
    assert mode.share == 0.125
    found = shares(mode, [60.0] * 200)
    assert found == [0.125] * 50 + [0.25] * 50 + [0.5] * 50 + [1.0] * 50
