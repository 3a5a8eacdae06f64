"""Damaged PointCloud2 messages in a process of their own: points or BadPointCloud, never anything else."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.faults.harness.amount import amount

REPOSITORY = Path(__file__).resolve().parents[3]
COUNT = amount(quick=50_000, long=1_000_000)


def test_damaged_messages_are_read_or_refused_and_never_crash(figures):
    command = [sys.executable, "-m", "tests.bench.core.codec", "--fuzz-child", "--count", str(COUNT)]
    child = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert child.returncode == 0, f"ended with {child.returncode}: {child.stderr[-2000:]}"
    result = json.loads(child.stdout)
    assert result["wrong"] == 0, result["example"]
    assert result["outcomes"]["BadPointCloud"] > COUNT / 2
    assert result["outcomes"]["read"] > COUNT / 100
    figures.count("malformed messages", COUNT)
    figures.count("refused by name", result["outcomes"]["BadPointCloud"])
    figures.most("ms at most (CPU)", result["slowest_ms"])
    assert result["slowest_ms"] < 10 * max(1.0, os.getloadavg()[0])  # 10 ms where nobody else works
