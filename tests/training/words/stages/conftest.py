"""The stages on the tiny world in place of data sets and image models."""

import pytest

from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from tests.training.words.stages.tiny_language import tiny_config, use_tiny_world, write_tiny_features


@pytest.fixture
def tiny_world(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_world(monkeypatch)


@pytest.fixture
def config(tiny_world: None, tmp_path) -> VlgConfig:
    """The configuration of a run whose first stage is done."""
    made = tiny_config(tmp_path)
    write_tiny_features(made)
    pseudo_label(made)
    return made
