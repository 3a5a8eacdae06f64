"""Weights for comparisons: random ones, whose norms have seen something, so that no sign, scale or shift hides."""

import torch
from torch import nn


def randomise(network: nn.Module, seed: int = 0) -> None:
    """Random statistics and weights of the norms, and random biases everywhere."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, 0, 0.2, generator=generator)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.running_mean, 0, 0.2, generator=generator)
            nn.init.uniform_(module.running_var, 0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
