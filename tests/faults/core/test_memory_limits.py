"""Sizes of billions, in a process that may take little more memory than it has: refused by the number, never by MemoryError."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("kind", ["messages", "files"])
def test_sizes_of_billions_are_refused_before_memory_is_taken(kind, tmp_path, figures):
    command = [sys.executable, "-m", "tests.faults.trials.claimed_sizes", kind, str(tmp_path)]
    child = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr[-2000:]
    told = json.loads(child.stdout)
    assert set(told["outcomes"]) <= {"BadPointCloud", "BadCloudFile", "BadBag", "read"}, told
    assert told["outcomes"].get("read", 0) == told["may_be_read"]
    figures.count("claimed sizes", sum(told["outcomes"].values()))
    figures.most("MB taken at most", told["grown_mb"])
