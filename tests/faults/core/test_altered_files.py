"""Bags, clouds, packages and configurations altered at random: read, or refused in one line; no crash, bounded memory and time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.harness.amount import amount
from tests.faults.trials.originals import write_originals

_REPOSITORY = Path(__file__).resolve().parents[3]
_KINDS = ("bags", "metadata", "clouds", "configurations", "packages")
_COUNT = amount(quick=30, long=2000)  # of each kind


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("altered")
    write_originals(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", _KINDS)
def test_a_file_altered_at_random_is_read_or_refused_in_one_line_at_bounded_cost(originals, kind, figures):
    command = [sys.executable, "-m", "tests.faults.trials.altered_files", kind, str(_COUNT), str(originals)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.run(command, cwd=_REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, f"ended with {child.returncode}: {child.stderr[-2000:]}"
    told = json.loads(child.stdout)
    assert told["wrong"] == []
    assert sum(told["outcomes"].values()) == _COUNT
    figures.count("altered files", _COUNT)
    figures.most("MB at most", told["most_mb"])
    figures.most("s at most (CPU)", told["slowest_s"])
