"""A MinkUNet with the convolutions of one side, and how like our reference its answers are."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from offline_training.networks.sparse.convolution import DownConv, SubmanifoldConv, UpConv
from offline_training.networks.sparse.inputs import SparseInputs
from offline_training.networks.sparse.minkunet import MinkUNet
from tests.bench.peers.peer import Kind, Peer

_KINDS: dict[type[nn.Module], Kind] = {SubmanifoldConv: "submanifold", DownConv: "down", UpConv: "up"}


class PeerNetwork(nn.Module):
    """The same weights, other convolutions; norms and all between them stay torch's."""

    def __init__(self, network: MinkUNet, peer: Peer) -> None:
        super().__init__()
        self.peer = peer
        self.network = copy.deepcopy(network)
        for parent in list(self.network.modules()):
            for name, child in list(parent.named_children()):
                if type(child) in _KINDS:
                    setattr(parent, name, peer.layer(_KINDS[type(child)], child.weight))
        self.network.to(next(network.parameters()).device)

    def forward(self, x: Tensor, geometry: Any) -> Tensor:
        """x: (M, C) in our order. Returns (M, scores) in our order."""
        rows = torch.empty(0, dtype=torch.int64)
        inputs = SparseInputs(rows, len(x), (len(x),), self.peer.enter(x, geometry), geometry)
        return self.peer.leave(self.network(inputs), geometry)


@dataclass(frozen=True)
class Agreement:
    """Largest differences from the reference, as shares of its largest value."""

    output: float
    x_gradient: float | None = None
    weight_gradient: float | None = None  # of its product with the weights, which no order of offsets changes

    def worst(self) -> float:
        """The largest of all; infinite where a value is not finite."""
        values = [value for value in (self.output, self.x_gradient, self.weight_gradient) if value is not None]
        return max(value if value == value else float("inf") for value in values)


def difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference as a share of the largest expected value."""
    if found.shape != expected.shape:
        return float("inf")
    if expected.numel() == 0:
        return 0.0
    scale = float(expected.detach().abs().double().amax()) or 1.0
    return float((found.detach().double() - expected.detach().double()).abs().amax()) / scale


def values_of_layer(peer: Peer, weight: Tensor, x: Tensor, voxels: Tensor, pull: Tensor) -> tuple[Tensor, ...]:
    """Of a submanifold convolution of the finest level: output, gradient of x, and the product of the weight with its gradient.

    pull: (M, C_out), the gradient of the output. The product is the same in any order of offsets. Output alone where the side
    has no gradients on this device.
    """
    geometry = peer.geometry(voxels)
    layer = peer.layer("submanifold", weight).to(x.device, x.dtype)
    entered = x.detach().clone().requires_grad_()
    y = peer.leave(layer(peer.enter(entered, geometry), geometry, 0), geometry)
    if x.device.type not in peer.trains_on:
        return (y,)
    x_gradient, weight_gradient = torch.autograd.grad(y, [entered, layer.weight], pull.to(y.dtype))
    return y, x_gradient, (weight_gradient.double() * layer.weight.detach().double()).sum()


def layer_agreement(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> Agreement:
    """Two sides' values_of_layer(), as far as both have them."""
    return Agreement(*(difference(a, b) for a, b in zip(found, expected, strict=False)))
