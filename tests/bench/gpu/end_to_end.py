"""Points to a class for each point, all on the device, at the sizes of real sensors: p50, p95 and p99, and by stage."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from offline_training.networks.sparse.inputs import SparseInputs, SparsePreparer
from offline_training.networks.sparse.minkunet import MinkUNet
from tests.bench.gpu.bench import LIMITS, NETWORK_LIMIT, Bench, precision
from tests.bench.gpu.clock import interleaved_ms, once_ms
from tests.bench.gpu.clouds import cloud_of_points
from tests.bench.gpu.geometry import FEATURES
from tests.bench.gpu.network import network_of
from tests.bench.peers.network import PeerNetwork, difference
from tests.bench.peers.ours import Ours
from tests.bench.report.timing import measured_row as row

_IGNORED = 255


def measure(bench: Bench) -> list[dict[str, Any]]:
    """Milliseconds with upload of the points and download of the classes; of every side that is here."""
    rows = []
    network = network_of(bench)
    for points in bench.points:
        cloud = cloud_of_points(points)
        host = tuple(_pinned(part, bench.device) for part in (cloud.xyz_m, cloud.intensity))
        prepare = SparsePreparer(cloud.grid, FEATURES, tables_later=True)
        inputs = prepare([tuple(part.to(bench.device) for part in host)])
        with precision(bench.precision), torch.no_grad():
            scores = torch.randn(inputs.row_count, 16, device=bench.device, dtype=bench.dtype)
            taken = interleaved_ms(
                {"": lambda i=inputs, s=scores: classes_of_points(i, s)}, bench.device, bench.repeats
            )
            rows.append(row(f"scores to classes of {points} points", taken[""], kind="post", points=points))
            expected = _reference_scores(network, inputs)
            for peer in bench.sides.present:
                rows += _side(bench, PeerNetwork(network, peer), host, prepare, expected)
    return rows


def classes_of_points(inputs: SparseInputs, scores: Tensor) -> Tensor:
    """(P,) uint8 class of each point, 255 out of range."""
    classes = scores.argmax(dim=1).to(torch.uint8)
    return torch.cat([classes, classes.new_full((1,), _IGNORED)])[inputs.row_of_point]  # the row -1 reads the last


def _side(
    bench: Bench, network: PeerNetwork, host: tuple[Tensor, ...], prepare: SparsePreparer, expected: Tensor
) -> list[dict[str, Any]]:
    """Percentiles of one side, or that it fails or disagrees."""
    network, peer = network.to(bench.dtype), network.peer
    where = f"{peer.name}: {len(host[0])} points, {len(expected)} voxels, {bench.network}, {bench.precision}"
    details = {"side": peer.name, "points": len(host[0])}

    def scores() -> tuple[SparseInputs, Tensor]:
        inputs = prepare([tuple(part.to(bench.device, non_blocking=True) for part in host)])
        return inputs, network(inputs.features.to(bench.dtype), peer.geometry(inputs.maps.voxels))

    def run() -> Tensor:
        return classes_of_points(*scores()).cpu()

    try:
        worst = difference(scores()[1], expected)
        if not worst <= NETWORK_LIMIT * LIMITS[bench.precision]:
            return [row(f"{where}: difference", [worst], "", kind="agreement", **details, agrees=False)]
        for _ in range(5):
            run()
        taken = [once_ms(run, bench.device) for _ in range(bench.latencies)]
    except Exception as error:
        problem = repr(error)[:300]
        return [row(f"{where}: FAILED", [float("nan")], "", kind="end_to_end", **details, problem=problem)]
    more = {"kind": "end_to_end", **details, "runs": len(taken)}
    return [
        row(f"{where}, p{percent}", [float(np.percentile(taken, percent))], **more, percent=percent)
        for percent in (50, 95, 99)
    ]


def _reference_scores(network: MinkUNet, inputs: SparseInputs) -> Tensor:
    reference = Ours("gather")
    with precision("fp32"):
        return PeerNetwork(network, reference)(inputs.features, reference.geometry(inputs.maps.voxels))


def _pinned(array: np.ndarray, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor.pin_memory() if device.type == "cuda" else tensor
