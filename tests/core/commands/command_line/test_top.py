"""`lidar-vl top` is a program of the ROS package, which the core hands over to without knowing it."""

import os
import sys

from lidar_vl_core.commands import top_command
from lidar_vl_core.commands.cli import main


def test_without_the_ros_package_it_says_what_is_missing_and_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(top_command, "find_spec", lambda name: None)
    assert main(["top"]) == 2
    told = capsys.readouterr().err
    assert "found no Python package rclpy and lidar_vl_ros" in told
    assert "setup.bash" in told


def test_with_it_the_process_becomes_the_program_of_the_ros_package(monkeypatch):
    started = []
    monkeypatch.setattr(top_command, "find_spec", lambda name: object())
    monkeypatch.setattr(os, "execv", lambda program, words: started.append((program, words)))
    assert main(["top"]) == 0
    assert started == [(sys.executable, [sys.executable, "-m", "lidar_vl_ros.top"])]
