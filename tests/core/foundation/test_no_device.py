"""What is written takes the place of files alone: a device or a pipe stays what it is."""

import os
import stat

import pytest

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import write_text


def test_a_pipe_is_refused_and_stays_one_also_behind_a_link(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(BadRequest, match=f"{name}: expected a file or none, found a device or a pipe"):
            write_text(tmp_path / name, "results")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_link_to_a_file_or_to_nothing_is_written_as_before(tmp_path):
    (tmp_path / "file").write_text("before")
    for name, target in (("old", "file"), ("new", "nothing")):
        (tmp_path / name).symlink_to(target)
        write_text(tmp_path / name, "results")
        assert (tmp_path / name).read_text() == "results"


def test_a_name_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadRequest, match="expected a writable place, found: embedded null byte"):
        write_text(tmp_path / "a\0b", "results")
