"""Several processes, as far as one machine with one GPU tells: NCCL with a world of one, synchronised norms, DDP around a network."""

import tempfile
from pathlib import Path

import torch
from torch import distributed, nn

from offline_training.networks.sparse.inputs import SparseInputs
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.minkunet_shapes import SHAPES
from tests.bench.gpu.smoke.form_steps import random_maps
from tests.bench.gpu.smoke.steps import LeftOutError, Step, require_close
from tests.bench.peers.network import difference


def steps(device: torch.device) -> list[Step]:
    """Three of them, in one group of processes."""
    return [Step("a world of one", _world), Step("synchronised norms", _norms), Step("DDP", _ddp)]


def _world(device: torch.device) -> str:
    backend = "nccl" if device.type == "cuda" else "gloo"
    store = Path(tempfile.mkdtemp()) / "store"
    distributed.init_process_group(backend, init_method=f"file://{store}", world_size=1, rank=0)
    values = torch.arange(5.0, device=device)
    distributed.all_reduce(values)
    if values.tolist() != [0.0, 1.0, 2.0, 3.0, 4.0]:
        raise RuntimeError(f"all_reduce: expected the numbers themselves, found {values.tolist()}")
    return f"{backend} of {distributed.get_world_size()}"


def _norms(device: torch.device) -> str:
    if device.type != "cuda":
        raise LeftOutError("torch has synchronised norms on GPUs alone")
    plain, inputs = _network(device), _inputs(device)
    synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(_network(device))
    found, expected = synchronised(inputs), plain(inputs)
    told = require_close("scores", difference(found, expected), 1e-3)
    gradients = [
        torch.autograd.grad(scores.float().square().mean(), network.head.weight)[0]
        for scores, network in ((found, synchronised), (expected, plain))
    ]
    return f"{told}, {require_close('gradient', difference(*gradients), 1e-2)}"


def _ddp(device: torch.device) -> str:
    if not distributed.is_initialized():
        raise LeftOutError("there is no group of processes")
    inputs = _inputs(device)
    plain = _network(device)
    wrapped = nn.parallel.DistributedDataParallel(_network(device))
    wrapped(inputs).float().square().mean().backward()
    plain(inputs).float().square().mean().backward()
    return require_close("gradient", difference(wrapped.module.head.weight.grad, plain.head.weight.grad), 1e-3)


def _network(device: torch.device) -> MinkUNet:
    torch.manual_seed(0)
    return MinkUNet(SHAPES["minkunet_small"], 4, 16).to(device).train()


def _inputs(device: torch.device) -> SparseInputs:
    maps = random_maps(device)
    x = torch.randn(len(maps.voxels), 4, generator=torch.Generator().manual_seed(1)).to(device)
    return SparseInputs.of_voxels(x, maps)
