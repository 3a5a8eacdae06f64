"""A picture is decoded when it is first asked for, and once."""

import threading

import numpy as np
import pytest

from lidar_vl_core.cameras.view import DecodedOnce
from lidar_vl_core.foundation.errors import BadImage

RGB = np.zeros((2, 3, 3), np.uint8)


def test_a_picture_is_decoded_once_for_all_threads_that_ask():
    calls, go = [], threading.Event()

    def load():
        calls.append(1)
        go.wait(5)
        return RGB

    picture = DecodedOnce(load, failed=pytest.fail)
    assert calls == []
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(picture())) for _ in range(4)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert all(rgb is RGB for rgb in seen)
    assert len(seen) == 4


def test_a_picture_that_cannot_be_decoded_is_tried_and_told_once_and_refused_every_time():
    calls, told = [], []

    def load():
        calls.append(1)
        raise BadImage("data: expected a JPEG, found nothing. Fix the driver that publishes it.")

    picture = DecodedOnce(load, told.append)
    for _ in range(3):
        with pytest.raises(BadImage, match="expected a JPEG"):
            picture()
    assert len(calls) == len(told) == 1
