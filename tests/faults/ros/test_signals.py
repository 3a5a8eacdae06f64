"""Row 17: a node that serves is told to stop, or killed and started again, in the middle of its work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.harness.amount import amount

_REPOSITORY = Path(__file__).resolve().parents[3]
_STOPS, _KILLS = amount(quick=1, long=50), amount(quick=1, long=500)
_STOP_S, _RESPAWN_S = 3.0, 10.0


def _trial(name: str, rounds: int, folder: Path) -> dict:
    command = [sys.executable, "-m", "tests.faults.trials.stopped_nodes", name, str(rounds), str(folder)]
    child = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr[-3000:]
    return json.loads(child.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_node_that_is_told_to_stop_in_its_work_exits_with_0_in_time(name, tmp_path, figures):
    told = _trial(name, _STOPS, tmp_path)
    assert told["codes"] == [0] * _STOPS
    assert told["tracebacks"] == 0
    figures.count(f"stopped by {name}", _STOPS)
    figures.most("s until it has ended", max(told["ended_s"]))
    figures.most("load of the machine", os.getloadavg()[0])
    assert max(told["ended_s"]) < _STOP_S * max(1.0, os.getloadavg()[0])  # 3 s where nobody else works


@pytest.mark.slow
def test_a_node_that_is_killed_in_its_work_and_started_again_serves_again_in_time(tmp_path, figures):
    told = _trial("SIGKILL", _KILLS, tmp_path)
    assert told["codes"] == [-9] * _KILLS
    figures.count("kills", _KILLS)
    figures.count("restarts", _KILLS)
    figures.most("load of the machine", os.getloadavg()[0])
    figures.most("s from kill to the next answer", max(told["serves_again_s"]))
    assert max(told["serves_again_s"]) < _RESPAWN_S * max(1.0, os.getloadavg()[0] / 2)  # 10 s where nobody else works
