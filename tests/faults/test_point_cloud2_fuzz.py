"""Damaged PointCloud2 messages in a process of their own: points or BadPointCloud, never anything else."""

import json
import os

from bench.bench_codec import fuzz_in_child

COUNT = int(os.environ.get("LIDAR_VL_FUZZ_COUNT", "50000"))  # 10 million for the long run


def test_damaged_messages_are_read_or_refused_and_never_crash():
    child = fuzz_in_child(COUNT)
    assert child.returncode == 0, f"ended with {child.returncode}: {child.stderr[-2000:]}"
    result = json.loads(child.stdout)
    assert result["wrong"] == 0, result["example"]
    assert result["outcomes"]["BadPointCloud"] > COUNT / 2
    assert result["outcomes"]["read"] > COUNT / 100
    assert result["slowest_ms"] < 10
