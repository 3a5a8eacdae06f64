"""The GPU benchmark, as far as a CPU tells: sides against our reference, what is told of those that fail or disagree, and the reports."""

import json
import math

import pytest
import torch
from torch import Tensor, nn

from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.minkunet_shapes import MinkUNetShape
from tests.bench.gpu import layers
from tests.bench.gpu.bench import Bench, precision
from tests.bench.gpu.report import markdown, write_report
from tests.bench.gpu.smoke import form_steps
from tests.bench.peers.flexgemm import FLEXGEMM
from tests.bench.peers.fvdb import FVDB
from tests.bench.peers.known import OTHERS, Sides, sides, why_not
from tests.bench.peers.network import PeerNetwork, difference, values_of_layer
from tests.bench.peers.ours import Ours
from tests.bench.peers.peer import Kind, Peer
from tests.bench.peers.spconv_like import SPCONV
from tests.bench.peers.torch_lattice import TORCH_LATTICE
from tests.bench.peers.torchsparse import TORCHSPARSE
from tests.bench.peers.warpconvnet import WARPCONVNET
from tests.bench.report.timing import measured_row as row
from tests.training.networks.sparse.random_voxels import random_maps

CPU = torch.device("cpu")
TINY = MinkUNetShape(stem=16, planes=(16, 16, 32, 32, 32, 16, 16, 16), blocks=(1,) * 8)


@pytest.fixture
def one_thread():
    """spconv's additions race with more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def scores(peer: Peer, network: MinkUNet, x: Tensor, voxels: Tensor) -> Tensor:
    geometry = peer.geometry(voxels)
    theirs = PeerNetwork(network, peer)
    with torch.no_grad():
        theirs(x, geometry)  # pairs that were found in the first run serve the second
        return theirs(x, geometry)


def test_spconv_with_our_weights_gives_our_scores(one_thread):
    pytest.importorskip("spconv")
    network, maps = MinkUNet(TINY, 4, 7).eval(), random_maps(500, side=20)
    x = torch.randn(500, 4)
    assert difference(scores(SPCONV, network, x, maps.voxels), scores(Ours("gather"), network, x, maps.voxels)) < 1e-5


def test_a_form_of_ours_gives_the_scores_of_the_network_itself():
    network, maps = MinkUNet(TINY, 4, 7).eval(), random_maps(300, side=20)
    x = torch.randn(300, 4)
    assert (
        difference(scores(Ours("offset"), network, x, maps.voxels), scores(Ours("gather"), network, x, maps.voxels))
        < 1e-5
    )


@pytest.mark.parametrize(
    ("peer", "kind", "place"),
    [  # of the weight for one step in x alone (27: row 22 = (1, 0, 0); 8: row 4), from channel 1 to channel 2
        (SPCONV, "submanifold", (2, 2, 1, 1, 1)),
        (SPCONV, "down", (2, 1, 0, 0, 1)),
        (FLEXGEMM, "submanifold", (2, 2, 1, 1, 1)),
        (FVDB, "submanifold", (2, 1, 2, 1, 1)),
        (FVDB, "up", (2, 1, 1, 0, 0)),
        (TORCHSPARSE, "submanifold", (14, 1, 2)),  # x fastest
        (TORCHSPARSE, "down", (4, 1, 2)),
        (TORCH_LATTICE, "submanifold", (22, 1, 2)),
        (WARPCONVNET, "submanifold", (22, 1, 2)),
    ],
)
def test_a_weight_stands_where_the_package_reads_it(peer: Peer, kind: Kind, place: tuple[int, ...], monkeypatch):
    if peer is SPCONV:
        pytest.importorskip("spconv")
    weight = torch.zeros(27 if kind == "submanifold" else 8, 3, 4)
    weight[22 if kind == "submanifold" else 4, 1, 2] = 1.0
    own = peer.layer(kind, weight).weight.detach()
    assert [tuple(index.tolist()) for index in own.nonzero()] == [place]


def test_packages_that_are_not_here_are_named_with_the_reason():
    found = sides(CPU)
    assert {peer.name for peer in found.present} >= {"ours, auto", "ours, gather", "ours, offset", "ours, blocks"}
    assert found.absent["WarpConvNet"] == "runs on CUDA alone"
    missing = {peer.name: why_not(peer, torch.device("cuda")) for peer in OTHERS}
    assert "not installed (No module named 'flex_gemm')" in missing["FlexGEMM"]


class Doubled(Ours):
    """A side that is wrong."""

    def layer(self, kind: Kind, weight: Tensor) -> nn.Module:
        return super().layer(kind, 2 * weight)


class Broken(Ours):
    """A side that fails."""

    def geometry(self, voxels: Tensor) -> object:
        raise RuntimeError("no kernel image")


def named(peer: Ours, name: str) -> Ours:
    peer.name = name
    return peer


def test_a_side_that_disagrees_or_fails_is_reported_and_not_timed():
    present = (Ours("offset"), named(Doubled("offset"), "doubled"), named(Broken("offset"), "broken"))
    bench = Bench(CPU, Sides(present, {}), precision="fp32", repeats=1)
    rows = layers._layer(bench, "here", {"voxels": 60, "gflop": 1.0}, random_maps(60, side=8).voxels, 3, 5)
    assert {each["details"]["side"] for each in rows if each["details"]["kind"] == "layer"} == {"ours, offset"}
    told = markdown({"machine": {}, "settings": {"precision": "fp32"}, "absent": {}, "smoke": [], "rows": rows})
    assert "RuntimeError('no kernel image')" in told
    assert "| doubled: difference, here | " in told


def test_gradients_are_compared_too():
    voxels, x = random_maps(60, side=8).voxels, torch.randn(60, 3)
    weight, pull = torch.randn(27, 3, 5), torch.randn(60, 5)
    values = [values_of_layer(peer, weight, x, voxels, pull) for peer in (Ours("gather"), Doubled("gather"))]
    torch.testing.assert_close(values[1][1], 2 * values[0][1])
    torch.testing.assert_close(values[1][2], 2 * values[0][2])
    output_alone = Ours("gather")
    output_alone.trains_on = ("cuda",)
    assert len(values_of_layer(output_alone, weight, x, voxels, pull)) == 1


def test_a_difference_with_numbers_that_are_none_is_above_every_limit():
    assert math.isnan(difference(torch.tensor([float("nan")]), torch.ones(1)))
    assert difference(torch.ones(2), torch.ones(3)) == math.inf
    with pytest.raises(RuntimeError, match="expected a difference of at most"):
        form_steps.require_close("x", float("nan"), 1.0)


def test_precisions_are_as_before_afterwards():
    before = torch.get_float32_matmul_precision()
    with precision("tf32"):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before


def test_reports_have_every_kind_of_row_and_are_read_again(tmp_path):
    network = [
        row(
            f"{side}, {voxels}",
            [factor * voxels / 1e4] * 7,
            kind="network",
            side=side,
            way="from voxels",
            voxels=voxels,
        )
        for side, factor in (("ours, offset", 1.0), ("spconv", 2.0))
        for voxels in (10_000, 60_000)
    ]
    rows = [
        *network,
        row("product", [100.0, 110.0, 120.0], "TFLOP/s", kind="roof", what="fp16"),
        row(
            "layer", [0.5], kind="layer", side="ours, offset", way="forward", where="level 0", voxels=10_000, gflop=5.5
        ),
        *(
            row("e", [each], kind="end_to_end", side="ours", points=35_000, percent=each, runs=200)
            for each in (50, 95, 99)
        ),
        row("step", [40.0] * 7, kind="training", side="ours", mib=812.4),
        row("rate", [50.0] * 7, "clouds/s", kind="training_rate", side="ours"),
        row("fvdb FAILED", [float("nan")], "", kind="agreement", side="fvdb", problem="OutOfMemoryError"),
    ]
    smoke = [{"step": "device", "verdict": "ok", "message": "a | b", "seconds": 0.1}]
    told = {
        "machine": {"GPU": "H200"},
        "settings": {"precision": "fp16"},
        "absent": {"fVDB": "not installed"},
        "smoke": smoke,
        "rows": rows,
    }
    paths = write_report(tmp_path / "out", told)
    assert [path.name for path in paths] == ["gpu_bench.json", "gpu_bench.md", "gpu_bench.png"]
    assert json.loads(paths[0].read_text())["rows"][-1]["value"] is None
    text = paths[1].read_text()
    assert "| spconv | 2 (2.00x) | 12 (2.00x) |" in text
    assert "| level 0 | ours, offset | 5.5 | 11 | 10 |" in text
    assert "| ours | 35,000 | 50 | 95 | 99 | 200 |" in text
    assert "| fvdb FAILED | OutOfMemoryError |" in text
    assert "| fVDB | not installed |" in text
    assert "| device | ok | a / b | 0.1 |" in text
    assert "812" in text
    assert write_report(tmp_path / "empty", {**told, "rows": []})[-1].name == "gpu_bench.md"
