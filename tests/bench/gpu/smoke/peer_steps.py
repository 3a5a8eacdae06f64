"""Others' packages: one layer forwards and backwards, and a whole small network, against our reference."""

from functools import partial

import torch

from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.minkunet_shapes import SHAPES
from tests.bench.gpu.bench import LIMITS, NETWORK_LIMIT, PRECISIONS, precision
from tests.bench.gpu.smoke.form_steps import random_maps
from tests.bench.gpu.smoke.steps import LeftOutError, Step, require_close
from tests.bench.peers.known import OTHERS, why_not
from tests.bench.peers.network import PeerNetwork, difference, layer_agreement, values_of_layer
from tests.bench.peers.ours import Ours
from tests.bench.peers.peer import Peer


def steps(device: torch.device) -> list[Step]:
    """A layer and a network of each. On a CPU with one thread: spconv's additions race with more."""
    if device.type == "cpu":
        torch.set_num_threads(1)
    precisions = ("fp32", "fp16") if device.type == "cuda" else ("fp32",)
    return [
        Step(f"{peer.name}, {what.__name__[1:]}, {name}", partial(what, peer, name))
        for peer in OTHERS
        for what in (_layer, _network)
        for name in precisions
    ]


def _layer(peer: Peer, name: str, device: torch.device) -> str:
    _require(peer, device)
    voxels = random_maps(device).voxels
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(len(voxels), 32, generator=generator).to(device)
    weight = (torch.randn(27, 32, 64, generator=generator) / 17).to(device)
    pull = torch.randn(len(voxels), 64, generator=generator).to(device)
    with precision("fp32"):
        expected = values_of_layer(Ours("gather"), weight, x, voxels, pull)
    with precision(name):
        found = values_of_layer(peer, weight, x.to(PRECISIONS[name]), voxels, pull)
    return require_close("output and gradients", layer_agreement(found, expected).worst(), LIMITS[name])


def _network(peer: Peer, name: str, device: torch.device) -> str:
    _require(peer, device)
    torch.manual_seed(0)
    network = MinkUNet(SHAPES["minkunet_small"], 4, 16).to(device).eval()
    voxels = random_maps(device).voxels
    x = torch.randn(len(voxels), 4, generator=torch.Generator().manual_seed(1)).to(device)
    with torch.no_grad():
        reference = Ours("gather")
        with precision("fp32"):
            expected = PeerNetwork(network, reference)(x, reference.geometry(voxels))
        with precision(name):
            dtype = PRECISIONS[name]
            found = PeerNetwork(network, peer).to(dtype)(x.to(dtype), peer.geometry(voxels))
    return require_close("scores", difference(found, expected), NETWORK_LIMIT * LIMITS[name])


def _require(peer: Peer, device: torch.device) -> None:
    problem = why_not(peer, device)
    if problem:
        raise LeftOutError(problem)
