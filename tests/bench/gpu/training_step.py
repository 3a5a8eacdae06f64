"""One step of training of each side: two scans, forwards, backwards and AdamW, in mixed precision on CUDA."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from offline_training.networks.sparse.inputs import SparsePreparer
from tests.bench.gpu.bench import Bench
from tests.bench.gpu.clock import Run, interleaved_ms, peak_mib
from tests.bench.gpu.clouds import cloud_of_points
from tests.bench.gpu.network import CHANNELS, CLASSES, network_of
from tests.bench.peers.network import PeerNetwork
from tests.bench.peers.peer import Peer
from tests.bench.report.timing import measured_row as row

_SCANS = 2
_LOSS_LIMIT = 0.02  # share; of the same weights on the same numbers


def measure(bench: Bench) -> list[dict[str, Any]]:
    """Milliseconds, clouds a second and MiB by side, with maps found anew in every step as in training."""
    cloud = cloud_of_points(min(bench.points))
    scans = [(cloud.xyz_m, cloud.intensity)] * _SCANS
    voxels = SparsePreparer(cloud.grid, ("one",), tables_later=True)(scans).maps.voxels.to(bench.device)
    x = torch.randn(len(voxels), CHANNELS, device=bench.device)
    truth = torch.randint(0, CLASSES, (len(voxels),), device=bench.device)
    rows, runs, expected = [], dict[str, Run](), 0.0
    for peer in (peer for peer in bench.sides.present if bench.device.type in peer.trains_on):
        step = _step(bench, peer, voxels, x, truth)
        try:
            losses = [float(step()) for _ in range(2)]
        except Exception as error:
            details = {"kind": "training", "side": peer.name, "problem": repr(error)[:300]}
            rows.append(row(f"{peer.name}: training step FAILED", [float("nan")], "", **details))
            continue
        expected = expected or losses[0]
        agrees = abs(losses[0] - expected) <= _LOSS_LIMIT * abs(expected)
        details = {"kind": "agreement", "side": peer.name, "agrees": agrees}
        rows.append(
            row(f"{peer.name}: first loss, {expected:.4f} by {bench.sides.present[0].name}", losses[:1], "", **details)
        )
        if agrees:
            runs[peer.name] = step
    for side, times in interleaved_ms(runs, bench.device, bench.repeats).items():
        details = {"kind": "training", "side": side, "mib": peak_mib(runs[side], bench.device)}
        rows.append(row(f"{side}: training step, {_SCANS} scans, {len(voxels)} voxels", times, **details))
        rates = [1e3 * _SCANS / ms for ms in times]
        rows.append(row(f"{side}: training", rates, "clouds/s", kind="training_rate", side=side))
    return rows


def _step(bench: Bench, peer: Peer, voxels: Tensor, x: Tensor, truth: Tensor) -> Run:
    network = PeerNetwork(network_of(bench), peer).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    mixed = bench.device.type == "cuda" and bench.precision in ("fp16", "bf16")
    scaler = torch.amp.GradScaler(bench.device.type, enabled=mixed and bench.precision == "fp16")

    def step() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(bench.device.type, bench.dtype if mixed else torch.bfloat16, enabled=mixed):
            loss = F.cross_entropy(network(x, peer.geometry(voxels)).float(), truth)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    return step
