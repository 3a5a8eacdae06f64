"""Sizes of the networks against the papers, and what holds for any of them."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from offline_training.networks.base.voxel_norm import VoxelNorm
from offline_training.networks.sparse.inputs import SparseInputs
from offline_training.networks.sparse.maps import SparseMaps
from offline_training.networks.sparse.minkunet import LEVELS, MinkUNet
from offline_training.networks.sparse.minkunet_shapes import SHAPES, MinkUNetShape, weight_count
from offline_training.runs.backbone_config import BackboneConfig
from offline_training.runs.backbones import build_backbone
from tests.training.networks.sparse.random_voxels import random_maps

TINY = MinkUNetShape(stem=16, planes=(16, 16, 32, 32, 32, 16, 16, 16), blocks=(1, 2, 1, 1, 1, 1, 1, 1))
WIDE = replace(TINY, stem_convs=1, stem_kernel=5)


def parameters(name: str, in_channels: int, out_channels: int) -> int:
    return sum(parameter.numel() for parameter in MinkUNet(SHAPES[name], in_channels, out_channels).parameters())


def test_sr_unet_has_the_parameters_of_its_paper():
    assert parameters("res16unet_34c", 1, 64) == 37_849_184  # OLIVINE's backbone with its 64-d head


def counted_by_hand(shape: MinkUNetShape, in_channels: int, out_channels: int) -> int:
    """Weights of convolutions and two numbers per normed channel, from the table of the paper."""

    def block(c_in: int, c_out: int) -> int:
        shortcut = c_in * c_out + 2 * c_out if c_in != c_out else 0
        return 27 * c_in * c_out + 27 * c_out * c_out + 4 * c_out + shortcut

    def stage(c_in: int, c_out: int, count: int) -> int:
        return block(c_in, c_out) + (count - 1) * block(c_out, c_out)

    stem = [in_channels] + [shape.stem] * shape.stem_convs
    total = sum(27 * a * b + 2 * b for a, b in pairwise(stem))
    width, skips = shape.stem, [shape.stem, *shape.planes[:3]]
    for planes, count in zip(shape.planes[:4], shape.blocks[:4], strict=True):
        total += 8 * width * width + 2 * width + stage(width, planes, count)
        width = planes
    for planes, count, skip in zip(shape.planes[4:], shape.blocks[4:], reversed(skips), strict=True):
        total += 8 * width * planes + 2 * planes + stage(planes + skip, planes, count)
        width = planes
    return total + width * out_channels + (out_channels if shape.head_bias else 0)


@pytest.mark.parametrize("name", SHAPES)
def test_a_network_has_the_layers_of_its_table(name):
    assert parameters(name, 3, 20) == counted_by_hand(SHAPES[name], 3, 20)


def test_the_small_network_is_small_and_fills_vector_registers():
    assert parameters("minkunet_small", 4, 16) < 2_500_000  # 10 MB of float32
    shape = SHAPES["minkunet_small"]
    assert all(width % 16 == 0 for width in (shape.stem, *shape.planes))


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_any_number_of_voxels_gives_as_many_rows_of_scores_with_gradients(count):
    network = MinkUNet(TINY, 4, 7)
    scores = network(SparseInputs.of_voxels(torch.randn(count, 4), random_maps(count)))
    assert scores.shape == (count, 7)
    scores.sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


@pytest.mark.parametrize("shape", [TINY, WIDE], ids=["3^3 stem", "5^3 stem"])
def test_all_forms_give_the_same_scores(shape):
    network = MinkUNet(shape, 4, 7).eval()
    features, maps = torch.randn(800, 4), random_maps(800)
    with torch.no_grad():
        expected = network(SparseInputs.of_voxels(features, replace(maps, form="gather")))
        for form in ("auto", "offset", "blocks"):
            torch.testing.assert_close(
                network(SparseInputs.of_voxels(features, replace(maps, form=form))), expected, rtol=1e-4, atol=1e-4
            )


def test_a_scan_moved_by_whole_coarse_voxels_gives_the_same_scores():
    network = MinkUNet(TINY, 4, 7).eval()
    maps = random_maps(600)
    coords = maps.coords[0][:, 1:].numpy() + np.array([16, 32, 48], np.int32)
    moved = SparseMaps.of_coords(coords, levels=LEVELS)
    features = torch.randn(600, 4)
    with torch.no_grad():
        torch.testing.assert_close(
            network(SparseInputs.of_voxels(features, moved)), network(SparseInputs.of_voxels(features, maps))
        )


def test_a_norm_over_one_voxel_uses_the_running_statistics_and_keeps_them():
    norm = VoxelNorm(3)
    before = norm.running_mean.clone()
    x = torch.randn(1, 3)
    torch.testing.assert_close(norm(x), x / (1 + norm.eps) ** 0.5)
    assert torch.equal(norm.running_mean, before)


def test_a_wrong_number_of_stages_is_refused():
    with pytest.raises(ValueError, match="eight numbers"):
        MinkUNet(MinkUNetShape(16, (16,) * 7, (1,) * 8), 4, 7)


def test_minkowskis_initialisation_is_uniform_by_the_fan_it_counts_and_the_other_he_fan_out():
    shape = {"stem": 8, "planes": (16,) * 8, "blocks": (1,) * 8}
    network = {"network": "res16unet_34c", "features": ("first_intensity_255",), **shape}
    theirs = build_backbone(BackboneConfig(**network, initialisation="minkowski"), 5)
    ours = build_backbone(BackboneConfig(**network), 5)
    assert isinstance(theirs, MinkUNet)
    layers = dict(theirs.named_modules())
    kernels = {
        name: layer.weight for name, layer in layers.items() if getattr(layer, "weight", torch.empty(0)).ndim == 3
    }
    assert len(kernels) == 1 + 8 + 16  # stem, one strided in each stage, two in each block
    for name, weight in kernels.items():
        offsets, c_in, c_out = weight.shape
        channels = c_out if name.startswith("up") and offsets == 8 else c_in
        bound = 1 / math.sqrt(offsets * channels)
        assert float(weight.detach().abs().max()) <= bound
        if weight.numel() > 1000:
            assert float(weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.06)
            he = dict(ours.named_modules())[name].weight.detach()
            assert float(he.std()) == pytest.approx(math.sqrt(2 / (offsets * c_out)), rel=0.06)
    linear = [layer for layer in layers.values() if isinstance(layer, torch.nn.Linear)]
    assert all(float(layer.weight.detach().abs().max()) <= layer.in_features**-0.5 for layer in linear)  # 1x1x1 there


def test_a_configuration_asks_for_the_stem_of_the_papers():
    shape = BackboneConfig(network="minkunet_18a", stem_kernel=5).shape
    network = MinkUNet(shape, 3, 768)
    assert network.stem[0].conv.weight.shape == (125, 3, 32)
    assert len(network.stem) == 1
    assert weight_count(shape, 3) == sum(each.numel() for each in network.parameters()) - 96 * 768


def test_a_stem_of_5_sees_two_voxels_away_over_a_gap():
    coords = np.array([[0, 0, 0], [2, 0, 0]], np.int32)
    seen = {}
    for shape in (WIDE, TINY):
        torch.manual_seed(0)
        unit = MinkUNet(shape, 1, 7).stem[0].conv
        maps = SparseMaps.of_coords(coords, levels=1)
        alone, together = (unit(torch.tensor([[1.0], [other]]), maps, 0)[0] for other in (0.0, 1.0))
        seen[shape] = not torch.equal(alone, together)
    assert seen == {WIDE: True, TINY: False}
