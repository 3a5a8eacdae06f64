"""Fine-tuning on the tiny rooms in place of whatever data set is configured."""

import pytest

from offline_training.finetuning import finetune
from tests.training.finetuning.rooms import Rooms


@pytest.fixture
def rooms_for_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune, "open_source", lambda *_: Rooms())
