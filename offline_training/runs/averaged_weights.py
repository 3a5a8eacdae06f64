"""Exponential moving average of a network's weights: flatter minima, steadier validation."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

NetworkT = TypeVar("NetworkT", bound=nn.Module)


class AveragedWeights:
    """Holds the average; the first steps count more, so that it is soon near the weights."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards the network after optimiser step `step` (from 0)."""
        share = 1.0 - min(self.decay, (1.0 + step) / (10.0 + step))
        for name, tensor in network.state_dict().items():
            average: Tensor = self.weights[name].to(tensor.device)  # moves once, when the network went to the GPU
            self.weights[name] = average
            if tensor.is_floating_point():
                average.lerp_(tensor, share)
            else:
                average.copy_(tensor)

    def network_like(self, network: NetworkT) -> NetworkT:
        """A copy of the network with the averaged weights, in evaluation mode."""
        twin = copy.deepcopy(network)
        twin.load_state_dict(self.weights)
        return twin.eval()
