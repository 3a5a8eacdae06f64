"""Where tests find recordings: the shipped ones in tests/data always, the real ones beside the repository where they are.

A recording is named by a pattern, since both folders hold the same formats under the names of their own drives.
"""

import os
from pathlib import Path

import pytest

SHIPPED = Path(__file__).resolve().parent / "data"
REAL = Path(os.environ.get("LIDAR_VL_TEST_DATA", SHIPPED.parents[2] / "shared" / "data"))
FOLDERS = {"shipped": SHIPPED} | ({"real": REAL} if REAL.is_dir() else {})


def recordings(*patterns: str) -> list:
    """All paths that match, as parameters of a test."""
    return [
        pytest.param(path, id=f"{name}: {path.relative_to(folder)}")
        for name, folder in FOLDERS.items()
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
    ]


def recording(folder: Path, pattern: str) -> Path:
    """The first path in a folder of recordings that matches; the test is skipped where a folder of real ones has none."""
    for path in sorted(folder.glob(pattern)):
        return path
    if folder == SHIPPED:
        pytest.fail(
            f"expected {pattern} among the shipped recordings in {folder}, found none: run make_recordings.py there"
        )
    pytest.skip(f"no {pattern} among the recordings in {folder}")
