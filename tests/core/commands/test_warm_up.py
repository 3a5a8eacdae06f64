"""Whoever waits for a compilation is told why; whoever does not wait is told nothing."""

import time

import pytest

from lidar_vl_core.commands import warm_up
from lidar_vl_core.commands.warm_up import compilation_told


def test_a_compilation_is_told_while_it_lasts_and_when_it_is_done(capsys, monkeypatch):
    monkeypatch.setattr(warm_up, "_LOADED_S", 0.05)
    with compilation_told():
        time.sleep(0.3)
        assert "compiling the engine's loops" in capsys.readouterr().err
    assert "ready after" in capsys.readouterr().err


def test_loops_that_are_only_loaded_are_not_told(capsys):
    with compilation_told():
        pass
    assert capsys.readouterr().err == ""


def test_an_error_meanwhile_comes_through(capsys):
    with pytest.raises(ZeroDivisionError), compilation_told():
        raise ZeroDivisionError
    assert capsys.readouterr().err == ""
