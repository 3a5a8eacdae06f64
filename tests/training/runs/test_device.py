"""What a training changes in torch: products keep their precision on every processor."""

import pytest
import torch

from offline_training.runs import device
from offline_training.runs.device import torch_set_up


def _error(rows: int) -> float:
    """Of a float32 product, as a share of its largest number."""
    left = torch.rand(rows, 300, generator=torch.Generator().manual_seed(1))
    right = torch.rand(300, 300, generator=torch.Generator().manual_seed(2))
    exact = left.double() @ right.double()
    return float((left @ right - exact).abs().max() / exact.max())


@pytest.mark.parametrize("rows", [17, 300, 3000])
def test_products_of_a_training_on_a_cpu_have_the_precision_of_float32(rows):
    with torch_set_up(0):
        assert _error(rows) < 1e-5


def test_a_processor_that_rounds_under_every_word_but_the_last_computes_exactly(monkeypatch):
    monkeypatch.setattr(device, "_PRODUCT_ERROR", 0.0)
    assert device._product_precision.__wrapped__() == "highest"
