"""Pre-training on the made rooms in place of whatever data set is configured, and a store of their weak labels."""

import pytest

from offline_training.datasets import data_sources
from offline_training.pretraining import pretrain
from tests.training.pretraining.pretrain_scenes import Rooms, write_labels


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> Rooms:
    one = Rooms()
    monkeypatch.setattr(pretrain, "open_source", lambda *_: one)
    monkeypatch.setattr(data_sources, "require_data", lambda *_: None)
    return one


@pytest.fixture(scope="session")
def labels(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_labels(tmp_path_factory.mktemp("labels"), Rooms()))
