"""The configuration of a run on synthetic rooms."""

import pytest

from lidar_vl_core.foundation.config import validated
from offline_training.words.settings.vlg_config import VlgConfig


@pytest.fixture
def config(tmp_path):
    source = {"kind": "synthetic_rooms", "folder": str(tmp_path / "rooms")}
    content = {
        "out": str(tmp_path / "run"),
        "train": [source],
        "validation": [source],
        "classes": "synthetic_rooms",
        "vocabulary": "synthetic_rooms_names",
        "model": {"kind": "toy", "folder": "nowhere"},
    }
    return validated(VlgConfig, content, "test")
