"""Words on a node's command line that rclpy passes over are refused: a parameter behind the wrong option would be lost."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--nope"], "expected nothing but ROS arguments behind --ros-args, found --nope."),
        (["-p", "model:=demo"], "found -p."),
        (["--ros-args", "-p", "model:=demo", "--", "more"], "found more."),
        (["--ros-args", "--nope"], "expected ROS arguments, found ['--nope']."),
        (["\x1b[2Jx"], "found \\x1b[2Jx."),
    ],
    ids=str,
)
def test_a_node_refuses_words_that_it_would_not_read(words, told):
    command = [sys.executable, "-m", "lidar_vl_ros.segmentation_node", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    (line,) = [line for line in ended.stderr.splitlines() if "FATAL" in line]
    assert told in line
    assert "Traceback" not in ended.stderr
