"""All sides by name, and which of them this machine can run."""

import importlib
from dataclasses import dataclass

import torch

from offline_training.networks.sparse.maps import FORMS
from tests.bench.peers.flexgemm import FLEXGEMM
from tests.bench.peers.fvdb import FVDB
from tests.bench.peers.ours import Ours
from tests.bench.peers.peer import Peer
from tests.bench.peers.spconv_like import SPCONV
from tests.bench.peers.spconv_triton import SPCONV_TRITON
from tests.bench.peers.torch_lattice import TORCH_LATTICE
from tests.bench.peers.torchsparse import TORCHSPARSE
from tests.bench.peers.warpconvnet import WARPCONVNET

OTHERS = (SPCONV, SPCONV_TRITON, WARPCONVNET, FVDB, TORCH_LATTICE, FLEXGEMM, TORCHSPARSE)
_ON_CPU = {"ours, auto", "ours, gather", "ours, offset", "ours, blocks", "spconv"}


@dataclass(frozen=True)
class Sides:
    """Who takes part, and why the others do not."""

    present: tuple[Peer, ...]
    absent: dict[str, str]


def sides(device: torch.device) -> Sides:
    """Ours in every form, then others' packages."""
    present, absent = [], {}
    for peer in (*(Ours(form) for form in FORMS), *OTHERS):
        problem = why_not(peer, device)
        if problem:
            absent[peer.name] = problem
        else:
            present.append(peer)
    return Sides(tuple(present), absent)


def why_not(peer: Peer, device: torch.device) -> str:
    """Why a side cannot run here, or nothing."""
    if device.type == "cpu" and peer.name not in _ON_CPU:
        return "runs on CUDA alone"
    if device.type == "cuda" and peer.name == "ours, blocks":
        return "runs on CPUs alone"
    for module in peer.modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            return f"not installed ({error})"
        except Exception as error:
            return f"its import fails: {type(error).__name__}: {error}"
    return ""
