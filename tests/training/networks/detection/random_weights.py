"""Weights for comparisons: random ones, whose norms have seen something, so that no sign or scale hides."""

import torch
from torch import nn


def randomise(network: nn.Module, seed: int = 0) -> None:
    """Random statistics and shifts of the norms, and larger weights of the last layers."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.running_mean, 0, 0.2, generator=generator)
            nn.init.uniform_(module.running_var, 0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.2, generator=generator)
