"""A folder of pictures in place of whatever data set is configured."""

import pytest

from offline_training.words.features import extract_features as command
from offline_training.words.features import ray_features as ray
from tests.training.words.features.extraction import SCENES
from tests.training.words.features.feature_scenes import Boxes


@pytest.fixture
def boxes(tmp_path, monkeypatch):
    """A folder of pictures, opened as the data set of every configuration."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    datasets = [Boxes(folder, SCENES)]
    monkeypatch.setattr(command, "open_sources", lambda config: datasets)
    monkeypatch.setattr(ray, "open_sources", lambda config: datasets)
    return folder
