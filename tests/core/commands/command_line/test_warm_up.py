"""Whoever waits for a compilation is told why; whoever does not wait is told nothing."""

import numba
import pytest

from lidar_vl_core.foundation.processes.compilation import compilation_told


def new_loop():
    return numba.njit(lambda number: number + 1)


def test_a_compilation_is_told_while_it_lasts_and_when_it_is_done(capsys):
    with compilation_told():
        assert new_loop()(1) == 2
        assert "compiling the engine's loops" in capsys.readouterr().err
    assert "compiled 1 loops in" in capsys.readouterr().err


def test_loops_that_are_compiled_already_are_not_told(capsys):
    loop = new_loop()
    loop(1)
    with compilation_told():
        loop(2)
    assert capsys.readouterr().err == ""


def test_an_error_meanwhile_comes_through(capsys):
    with pytest.raises(ZeroDivisionError), compilation_told():
        raise ZeroDivisionError
    assert capsys.readouterr().err == ""
