"""Submanifold convolutions of MinkUNet18A by level, each side beside the others: numbers first, then times. Kept neighbour tables."""

from typing import Any

import torch
from torch import Tensor

from offline_training.networks.sparse.inputs import SparsePreparer
from tests.bench.gpu.bench import LIMITS, Bench, precision
from tests.bench.gpu.clock import Run, interleaved_ms
from tests.bench.gpu.clouds import cloud_of_voxels
from tests.bench.peers.network import layer_agreement, values_of_layer
from tests.bench.peers.ours import Ours
from tests.bench.peers.peer import Peer
from tests.bench.report.timing import measured_row as row

LAYERS = (
    (0, 4, 32),
    (0, 32, 32),
    (0, 96, 96),
    (1, 128, 96),
    (2, 64, 64),
    (3, 128, 128),
    (4, 256, 256),
)  # level, in, out


def measure(bench: Bench) -> list[dict[str, Any]]:
    """Milliseconds forwards, and forwards and backwards, by side, layer and number of voxels; and who disagrees."""
    rows = []
    for count in bench.voxels:
        cloud = cloud_of_voxels(count)
        maps = SparsePreparer(cloud.grid, ("one",))([(cloud.xyz_m, cloud.intensity)]).maps
        for level, c_in, c_out in LAYERS:
            voxels = maps.coords[level].to(bench.device)
            pairs = int((maps.subm[level].index < maps.counts[level]).sum())
            gflop = 2e-9 * pairs * c_in * c_out  # of the neighbours that exist
            where = f"{count} voxels, level {level}, {c_in} to {c_out}"
            rows += _layer(bench, where, {"voxels": count, "gflop": gflop}, voxels, c_in, c_out)
    return rows


def _layer(
    bench: Bench, where: str, about: dict[str, Any], voxels: Tensor, c_in: int, c_out: int
) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(len(voxels), c_in, generator=generator).to(bench.device)
    weight = (torch.randn(27, c_in, c_out, generator=generator) / (9 * c_in) ** 0.5).to(bench.device)
    pull = torch.randn(len(voxels), c_out, generator=generator).to(bench.device)
    with precision("fp32"):
        expected = values_of_layer(Ours("gather", levels=1), weight, x, voxels, pull)
    rows, runs = [], {}
    with precision(bench.precision):
        for peer in bench.sides.present:
            details = {"kind": "agreement", "side": peer.name, "where": where}
            try:
                found = values_of_layer(peer, weight, x.to(bench.dtype), voxels, pull)
                worst = layer_agreement(found, expected).worst()
            except Exception as error:
                rows.append(
                    row(f"{peer.name}: FAILED, {where}", [float("nan")], "", **details, problem=repr(error)[:300])
                )
                continue
            agrees = worst <= LIMITS[bench.precision]
            rows.append(row(f"{peer.name}: difference, {where}", [worst], "", **details, agrees=agrees))
            if agrees:
                runs |= {f"{peer.name}|{way}": run for way, run in _runs(peer, weight, x.to(bench.dtype), voxels, pull)}
        taken = interleaved_ms(runs, bench.device, bench.repeats)
    for name, times in taken.items():
        side, way = name.split("|")
        details = {"kind": "layer", "side": side, "way": way, "where": where, **about}
        rows.append(row(f"{side}: {way}, {where}", times, **details))
    return rows


def _runs(peer: Peer, weight: Tensor, x: Tensor, voxels: Tensor, pull: Tensor) -> list[tuple[str, Run]]:
    geometry = peer.geometry(voxels)
    layer = peer.layer("submanifold", weight).to(x.device, x.dtype)
    entered = peer.enter(x, geometry).detach().requires_grad_()
    pulled = peer.enter(pull.to(x.dtype), geometry)

    def forward() -> Tensor:
        with torch.no_grad():
            return layer(entered, geometry, 0)

    def both() -> tuple[Tensor, ...]:
        return torch.autograd.grad(layer(entered, geometry, 0), [entered, layer.weight], pulled)

    runs: list[tuple[str, Run]] = [("forward", forward)]
    return [*runs, ("forward and backward", both)] if x.device.type in peer.trains_on else runs
