"""Fixtures shared by all floors."""

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real recordings; tests that need it are skipped, with one clear line, where it is absent."""
    folder = Path(os.environ.get("LIDAR_VL_TEST_DATA", _REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder}: set LIDAR_VL_TEST_DATA to their folder")
    return folder
