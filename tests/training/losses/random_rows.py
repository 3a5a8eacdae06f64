"""Rows of random directions, the same for a seed."""

import torch
from torch.nn import functional


def unit_rows(*shape, seed=0, dtype=torch.float64):
    return functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype), dim=-1)
