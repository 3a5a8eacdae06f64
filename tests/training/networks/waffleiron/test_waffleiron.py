"""WaffleIron: sizes as described, mixing against slow loops, and rows that belong to their points."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from offline_training.networks.waffleiron.inputs import WaffleInputs
from offline_training.networks.waffleiron.waffleiron import FlatGrid, SpatialMix, WaffleIron
from offline_training.networks.waffleiron.waffleiron_shapes import SHAPES
from offline_training.runs.backbone_config import BackboneConfig
from offline_training.runs.backbones import preparer_of
from tests.training.networks.waffleiron.tiny_waffleiron import PREPARER, TINY, scan, spread_scan


@pytest.mark.parametrize(("name", "total"), [("waffleiron_48_384", 15_119_636), ("waffleiron_48_256", 6_835_732)])
def test_the_networks_have_the_parameters_of_their_description(name, total):
    layers, width = SHAPES[name].layers, SHAPES[name].channels
    norm, scale = 2 * width, width
    spatial = norm + 2 * (9 * width + width) + scale  # two depthwise 3x3 with bias
    channel = norm + 2 * (width * width + width) + scale
    own = 2 * 5 + 5 * width + width
    neighbours = 2 * 5 + 5 * width + norm + width * width
    merge = 2 * width * width + width
    with torch.device("meta"):
        network = WaffleIron(SHAPES[name], None)
    assert own + neighbours + merge + layers * (spatial + channel) == total
    assert sum(parameter.numel() for parameter in network.parameters()) == total


def slow_spatial_mix(mix: SpatialMix, x: torch.Tensor, inputs: WaffleInputs, plane: int) -> torch.Tensor:
    """Cell by cell and scan by scan."""
    normed = mix.norm(x)
    rows, columns = inputs.grid_shapes[plane]
    answer = torch.zeros_like(x)
    for scan_index in range(inputs.scan_count):
        grid = x.new_zeros(1, x.shape[1], rows, columns)
        members: dict[int, list[int]] = {}
        for row in torch.nonzero(inputs.scan_of_row == scan_index)[:, 0].tolist():
            members.setdefault(int(inputs.cells[plane, row]) - scan_index * rows * columns, []).append(row)
        for cell, points in members.items():
            grid[0, :, cell // columns, cell % columns] = normed[points].mean(dim=0)
        for conv in (mix.conv1, mix.conv2):
            width = x.shape[1]
            grid = torch.cat(
                [
                    F.conv2d(grid[:, c : c + 1], conv.weight[c : c + 1], conv.bias[c : c + 1], padding=1)
                    for c in range(width)
                ],
                dim=1,
            )
            grid = grid.relu() if conv is mix.conv1 else grid
        for cell, points in members.items():
            answer[points] = grid[0, :, cell // columns, cell % columns] * mix.scale
    return answer


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_spatial_mix_equals_a_loop_over_cells(plane):
    torch.manual_seed(0)
    inputs = PREPARER([scan(200, 0), scan(90, 1)])
    mix = SpatialMix(6).eval()
    mix.norm.running_mean.normal_()
    x = torch.randn(inputs.row_count, 6)
    torch.testing.assert_close(mix(x, FlatGrid.of(inputs, plane)), slow_spatial_mix(mix, x, inputs, plane))


@pytest.mark.parametrize("training", [False, True])
def test_a_permutation_of_the_points_permutes_the_answer(training):
    torch.manual_seed(0)
    network = WaffleIron(TINY, 5).train(training).double()
    xyz_m, intensity = spread_scan(150)
    order = np.random.default_rng(5).permutation(150)

    def answer(xyz_m: np.ndarray, intensity: np.ndarray) -> torch.Tensor:
        inputs = PREPARER([(xyz_m, intensity)])
        return network(replace(inputs, features=inputs.features.double()))[inputs.row_of_point]

    torch.testing.assert_close(answer(xyz_m[order], intensity[order]), answer(xyz_m, intensity)[order])


def test_permuted_rows_give_permuted_rows():
    torch.manual_seed(0)
    network = WaffleIron(TINY, 5).eval()
    inputs = PREPARER([scan(100, 0), scan(60, 1)])
    order = torch.randperm(inputs.row_count)
    place = torch.argsort(order)
    permuted = replace(
        inputs,
        features=inputs.features[order],
        neighbours=place[inputs.neighbours[order]],
        cells=inputs.cells[:, order],
        scan_of_row=inputs.scan_of_row[order],
    )
    torch.testing.assert_close(network(permuted), network(inputs)[order])


def test_scans_of_a_batch_do_not_touch_each_other():
    torch.manual_seed(0)
    network = WaffleIron(TINY, 5).eval()
    first, second = scan(100, 0), scan(60, 1)
    together = PREPARER([first, second])
    alone = network(PREPARER([second]))
    torch.testing.assert_close(network(together)[together.scan_of_row == 1], alone)


@pytest.mark.parametrize("counts", [(0,), (1,), (0, 5), (0, 0)])
def test_scans_of_few_points_or_none_pass_in_both_modes(counts):
    network = WaffleIron(TINY, 5)
    inputs = PREPARER([scan(count, seed) for seed, count in enumerate(counts)])
    for training in (True, False):
        scores = network.train(training)(inputs)
        assert scores.shape == (inputs.row_count, 5)
        assert scores.isfinite().all()


def test_dropped_paths_leave_out_branches_of_scans_and_keep_the_mean():
    network = WaffleIron(replace(TINY, drop_path=0.2), None)
    inputs = replace(PREPARER([scan(3)]), points_per_scan=(1,) * 1000)  # as if of a thousand scans
    paths = network._paths(inputs)
    assert paths.shape == (TINY.layers, 2, 1000)
    assert paths.unique().tolist() == [0.0, 1.25]
    assert abs(paths.mean().item() - 1) < 0.02
    assert torch.equal(network.eval()._paths(inputs), torch.ones(paths.shape))


def test_the_same_batch_drops_the_same_paths_and_another_batch_others():
    network = WaffleIron(replace(TINY, layers=30, drop_path=0.5), 3)
    inputs = PREPARER([scan(40, 0)])
    assert torch.equal(network(inputs), network(PREPARER([scan(40, 0)])))
    assert not torch.equal(network._paths(inputs), network._paths(PREPARER([scan(40, 1)])))


def test_a_scan_whose_paths_are_all_dropped_keeps_its_embedding():
    torch.manual_seed(0)
    network = WaffleIron(replace(TINY, drop_path=1 - 1e-9), None).train()
    inputs = PREPARER([scan(40)])
    torch.testing.assert_close(network(inputs), network.embedding(inputs.features, inputs.neighbours))


@pytest.mark.slow
def test_it_learns_one_scan():
    torch.manual_seed(0)
    network = WaffleIron(TINY, 3)
    inputs = PREPARER([scan(150)])
    height_m = inputs.features[:, 3]
    target = (height_m > -1).long() + (inputs.features[:, 1] > 0).long()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(network(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_inputs_of_another_network_are_refused():
    config = BackboneConfig(network="minkunet_small")
    with pytest.raises(TypeError, match="expected WaffleInputs, found SparseInputs"):
        WaffleIron(TINY, 5)(preparer_of(config)([scan(20)]))
