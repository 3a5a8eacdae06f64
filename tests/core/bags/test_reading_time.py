"""What is said of a recording that takes longer to read than it may."""

from pathlib import Path

import pytest

from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.foundation.errors import BadBag
from tests.core.bags.drives import drive, write


def test_a_topic_that_time_ran_out_for_is_not_called_unreadable(tmp_path: Path) -> None:
    with open_recording(write(tmp_path / "long.mcap", drive(3))) as recording:
        recording.bag.give_time(0.0)
        with pytest.raises(BadBag, match="in the time for the whole recording"):
            recording.cloud_fields()
