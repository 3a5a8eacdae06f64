"""The engine's memory follows the scans that come, not the largest one that ever came."""

import numpy as np

from lidar_vl_core.engines.cpu.kept_array import KeptArray

CALM = 50


def test_one_large_scan_costs_its_memory_for_fifty_scans_and_no_longer():
    array = KeptArray(np.float32)
    array.at_least(1000)
    grown = len(array.at_least(100_000))
    assert [len(array.at_least(1000)) for _ in range(CALM - 1)] == [grown] * (CALM - 1)
    assert len(array.at_least(1000)) == 1250


def test_scans_that_need_more_than_half_keep_the_memory_where_it_is():
    array = KeptArray(np.int64)
    first = array.at_least(1000)
    for _ in range(3):
        for _ in range(CALM - 1):
            assert array.at_least(10) is first
        assert array.at_least(700) is first


def test_what_is_kept_after_a_large_scan_fits_the_largest_of_those_after_it():
    array = KeptArray(np.float32)
    array.at_least(100_000)
    for length in (*range(1000, 1000 + CALM - 1), 500):
        array.at_least(length)
    assert len(array.at_least(1)) >= 1000 + CALM - 2
