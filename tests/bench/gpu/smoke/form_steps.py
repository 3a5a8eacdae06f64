"""Every form of our convolutions in every precision, forwards and backwards, against form gather in float64."""

from functools import partial

import torch
from torch import Tensor

from offline_training.networks.sparse.convolution import sparse_conv, sparse_inverse_conv
from offline_training.networks.sparse.maps import FORMS, SparseMaps
from tests.bench.gpu.bench import LIMITS, PRECISIONS, precision
from tests.bench.gpu.smoke.steps import LeftOutError, Step, require_close
from tests.bench.peers.known import why_not
from tests.bench.peers.network import difference
from tests.bench.peers.ours import Ours

_SIDE, _VOXELS = 24, 3_000
_KINDS = ("submanifold", "down", "up")


def steps(device: torch.device) -> list[Step]:
    """One for each form and precision."""
    return [
        Step(f"form {form}, {name}", partial(_form, form, name))
        for form in FORMS
        for name in PRECISIONS
        if not (form == "blocks" and name != "fp32")
    ]


def _form(form: str, name: str, device: torch.device) -> str:
    problem = why_not(Ours(form), device)
    if problem:
        raise LeftOutError(problem)
    if form == "torchsparse":
        return _torchsparse(name, device)
    told = []
    with precision(name):
        for kind in _KINDS:
            told.append(require_close(kind, _worst(form, kind, name, device), LIMITS[name]))
    return ", ".join(told)


def _worst(form: str, kind: str, name: str, device: torch.device) -> float:
    """Largest difference of output and both gradients, as a share of the largest value."""
    maps = random_maps(device)
    c_in, c_out, kernel = 32, 48, 27 if kind == "submanifold" else 8
    rows = maps.counts[1] if kind == "up" else maps.counts[0]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, c_in, generator=generator).to(device, PRECISIONS[name])
    weight = (torch.randn(kernel, c_in, c_out, generator=generator) / (9 * c_in) ** 0.5).to(device, PRECISIONS[name])
    found = _values(form, kind, x, weight, maps)
    expected = _values("gather", kind, x.double(), weight.double(), maps)
    return max(difference(a, b) for a, b in zip(found, expected, strict=True))


def _values(form: str, kind: str, x: Tensor, weight: Tensor, maps: SparseMaps) -> tuple[Tensor, ...]:
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    if kind == "up":
        y = sparse_inverse_conv(x, weight, maps.child[0], form)
    else:
        y = sparse_conv(x, weight, maps.subm[0] if kind == "submanifold" else maps.child[0], form)
    pull = torch.cos(torch.arange(y.numel(), device=y.device, dtype=torch.float64)).view(y.shape).to(y.dtype)
    return (y, *torch.autograd.grad(y, [x, weight], pull))


def _torchsparse(name: str, device: torch.device) -> str:
    """It is a form of layers, not of functions: one layer against ours."""
    maps = random_maps(device)
    weight = torch.randn(27, 32, 48, device=device) / 17
    x = torch.randn(maps.counts[0], 32, device=device)
    values = []
    for form, dtype in (("torchsparse", PRECISIONS[name]), ("gather", torch.float64)):
        peer = Ours(form)
        layer = peer.layer("submanifold", weight).to(device, dtype)
        with precision(name):
            values.append(layer(x.to(dtype), SparseMaps(maps.voxels, form=form), 0))
    return require_close("submanifold", difference(*values), LIMITS[name])


def random_maps(device: torch.device) -> SparseMaps:
    """Voxels of two scans, with every kind of neighbour."""
    rows = []
    for scan in range(2):
        cells = torch.randperm(_SIDE**3, generator=torch.Generator().manual_seed(scan))[:_VOXELS].sort().values
        places = torch.stack([cells // _SIDE**2, cells // _SIDE % _SIDE, cells % _SIDE], dim=1)
        rows.append(torch.cat([torch.full((_VOXELS, 1), scan), places], dim=1))
    return SparseMaps(torch.cat(rows).to(torch.int32).to(device))
