"""Training: needs PyTorch, whose random numbers begin anew for each test, so that no test depends on those before it."""

import pytest
import torch

from tests.training.torchvision_on_cpu import ensure_torchvision

ensure_torchvision()  # here, since whatever imports transformers or lightning first decides for all tests after it


@pytest.fixture(autouse=True)
def _own_random_numbers() -> None:
    torch.manual_seed(0)
