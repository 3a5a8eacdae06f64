"""The whole network of each side: from voxels to scores, and with kept maps; memory, and whether five runs are one."""

from typing import Any

import torch
from torch import Tensor

from offline_training.networks.sparse.inputs import SparsePreparer
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.minkunet_shapes import SHAPES
from tests.bench.gpu.bench import LIMITS, NETWORK_LIMIT, Bench, precision
from tests.bench.gpu.clock import Run, interleaved_ms, peak_mib
from tests.bench.gpu.clouds import cloud_of_voxels
from tests.bench.peers.network import PeerNetwork, difference
from tests.bench.peers.ours import Ours
from tests.bench.report.timing import measured_row as row

CHANNELS, CLASSES = 4, 16


def network_of(bench: Bench) -> MinkUNet:
    """Random weights, the same in each call; norms with statistics that keep activations as they are."""
    torch.manual_seed(0)
    return MinkUNet(SHAPES[bench.network], CHANNELS, CLASSES).to(bench.device).eval()


def measure(bench: Bench) -> list[dict[str, Any]]:
    """Milliseconds by side and number of voxels, MiB, ratios to the fastest of ours; and who disagrees."""
    network = network_of(bench)
    rows = []
    for count in bench.voxels:
        cloud = cloud_of_voxels(count)
        voxels = SparsePreparer(cloud.grid, ("one",), tables_later=True)([(cloud.xyz_m, cloud.intensity)]).maps.voxels
        voxels = voxels.to(bench.device)
        x = torch.randn(len(voxels), CHANNELS, generator=torch.Generator().manual_seed(1)).to(bench.device)
        with torch.no_grad():
            rows += _sides(bench, network, count, voxels, x)
    return rows


def _sides(bench: Bench, network: MinkUNet, count: int, voxels: Tensor, x: Tensor) -> list[dict[str, Any]]:
    with precision("fp32"):
        reference = Ours("gather")
        expected = PeerNetwork(network, reference)(x, reference.geometry(voxels))
    rows, runs = [], dict[str, Run]()
    with precision(bench.precision):
        x = x.to(bench.dtype)
        for peer in bench.sides.present:
            where, details = f"{bench.network}, {count} voxels", {"side": peer.name, "voxels": count}
            try:
                theirs = PeerNetwork(network, peer).to(bench.dtype)
                geometry = peer.geometry(voxels)
                answers = [theirs(x, geometry) for _ in range(5)]
            except Exception as error:
                told = {"kind": "agreement", **details, "problem": repr(error)[:300]}
                rows.append(row(f"{peer.name}: FAILED, {where}", [float("nan")], "", **told))
                continue
            worst = difference(answers[0], expected)
            agrees = worst <= NETWORK_LIMIT * LIMITS[bench.precision]
            rows.append(
                row(f"{peer.name}: difference, {where}", [worst], "", kind="agreement", **details, agrees=agrees)
            )
            same = all(torch.equal(answer, answers[0]) for answer in answers)
            rows.append(
                row(f"{peer.name}: five runs are one, {where}", [float(same)], "", kind="repeatable", **details)
            )
            if not agrees:
                continue
            runs[f"{peer.name}|from voxels"] = lambda n=theirs, p=peer: n(x, p.geometry(voxels))
            if peer.keeps_maps:
                runs[f"{peer.name}|kept maps"] = lambda n=theirs, g=geometry: n(x, g)
        for name, times in interleaved_ms(runs, bench.device, bench.repeats).items():
            side, way = name.split("|")
            details = {"kind": "network", "side": side, "way": way, "voxels": count}
            memory = peak_mib(runs[name], bench.device)
            rows.append(row(f"{side}: {way}, {bench.network}, {count} voxels", times, **details, mib=memory))
    return rows
