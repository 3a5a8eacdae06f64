"""Foreign weights give foreign numbers: against MinkowskiEngine's definition, and against spconv on one thread."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.foreign_weights import from_minkowski_order, from_spconv_order, translate_weights
from offline_training.networks.sparse.convolution import sparse_conv, sparse_inverse_conv
from offline_training.networks.sparse.inputs import SparseInputs
from offline_training.networks.sparse.maps import SparseMaps
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.minkunet_shapes import SHAPES, MinkUNetShape
from offline_training.networks.voxelnet.voxelnet import VoxelNet
from tests.training.networks.one_thread import one_thread
from tests.training.runs.minkowski_reference import convolve, random_state, res16unet, transposed

SMALL = MinkUNetShape(6, (5, 7, 8, 9, 8, 7, 6, 5), (1, 2, 1, 1, 1, 1, 1, 2), stem_convs=1)
ORIGIN = -16  # multiple of 16: where our coordinates count from
TOLERANCE = 1e-4


def random_cells(seed: int, count: int, side: int = 12) -> np.ndarray:
    """(count, 3) absolute coordinates from -side / 2 on, sorted."""
    cells = np.random.default_rng(seed).choice(side**3, count, replace=False)
    return np.stack(np.unravel_index(np.sort(cells), (side,) * 3), axis=1).astype(np.int32) - side // 2


def as_dictionary(cells: np.ndarray, features: np.ndarray) -> dict[tuple[int, int, int], np.ndarray]:
    return dict(zip(map(tuple, cells.tolist()), features.astype(np.float64), strict=True))


def maps_of(cells: np.ndarray, levels: int) -> SparseMaps:
    return SparseMaps.of_coords(cells - ORIGIN, levels=levels, form="offset")


def absolute(maps: SparseMaps, level: int) -> np.ndarray:
    return maps.coords[level][:, 1:].numpy() * 2**level + ORIGIN


def rows_of(cells: dict, order: np.ndarray) -> np.ndarray:
    assert len(cells) == len(order)
    return np.array([cells[tuple(cell)] for cell in order.tolist()])


def random_kernel(seed: int, volume: int, c_in: int, c_out: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((volume, c_in, c_out), np.float32)


def in_spconv(kernel: np.ndarray) -> torch.Tensor:
    """MinkowskiEngine's kernel as spconv 2.x stores it where index columns are in the same order."""
    side = round(len(kernel) ** (1 / 3))
    return torch.from_numpy(kernel.reshape(side, side, side, *kernel.shape[1:])).permute(4, 2, 1, 0, 3).contiguous()


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(1, 60), st.integers(0, 2))
def test_each_convolution_is_the_one_that_minkowski_defines(seed, count, level):
    cells = random_cells(seed, count)
    maps = maps_of(cells, 4)
    fine, coarse = absolute(maps, level), absolute(maps, level + 1)
    x = np.random.default_rng(seed).standard_normal((len(fine), 3), np.float32)
    kernel, halving = random_kernel(seed, 27, 3, 4), random_kernel(seed, 8, 3, 4)
    ours = sparse_conv(torch.from_numpy(x), from_minkowski_order(torch.from_numpy(kernel)), maps.subm[level])
    theirs = convolve(as_dictionary(fine, x), kernel, 2**level, 1)
    np.testing.assert_allclose(ours, rows_of(theirs, fine), rtol=0, atol=TOLERANCE)
    ours = sparse_conv(torch.from_numpy(x), from_minkowski_order(torch.from_numpy(halving)), maps.child[level])
    theirs = convolve(as_dictionary(fine, x), halving, 2**level, 2)
    np.testing.assert_allclose(ours, rows_of(theirs, coarse), rtol=0, atol=TOLERANCE)
    above = np.random.default_rng(seed).standard_normal((len(coarse), 3), np.float32)
    doubling = from_minkowski_order(torch.from_numpy(halving))
    ours = sparse_inverse_conv(torch.from_numpy(above), doubling, maps.child[level])
    theirs = transposed(as_dictionary(coarse, above), halving, 2**level, as_dictionary(fine, x))
    np.testing.assert_allclose(ours, rows_of(theirs, fine), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("seed", range(3))
def test_each_convolution_is_that_of_spconv_on_shifted_coordinates(seed):
    spconv = pytest.importorskip("spconv.pytorch")
    from spconv.core import ConvAlgo

    cells = random_cells(seed, 150)
    x = np.random.default_rng(seed).standard_normal((len(cells), 3), np.float32)
    kernel, halving, doubling = (random_kernel(seed, *size) for size in ((27, 3, 4), (8, 3, 4), (8, 4, 5)))
    settings_of = {"bias": False, "algo": ConvAlgo.Native}
    subm = spconv.SubMConv3d(3, 4, 3, **settings_of)
    down = spconv.SparseConv3d(3, 4, 2, 2, indice_key="down", **settings_of)
    up = spconv.SparseInverseConv3d(4, 5, 2, indice_key="down", **settings_of)
    for layer, weight in ((subm, kernel), (down, halving), (up, doubling)):
        layer.weight.data = in_spconv(weight)
    indices = torch.from_numpy(np.pad(cells - ORIGIN, ((0, 0), (1, 0)))).int()
    with one_thread(), torch.no_grad():
        start = spconv.SparseConvTensor(torch.from_numpy(x), indices, [32, 32, 32], 1)
        coarse = down(start)
        found = [subm(start).features, coarse.features, up(coarse).features]
    coarse_cells = coarse.indices[:, 1:].numpy() * 2 + ORIGIN
    halved = convolve(as_dictionary(cells, x), halving, 1, 2)
    expected = [
        rows_of(convolve(as_dictionary(cells, x), kernel, 1, 1), cells),
        rows_of(halved, coarse_cells),
        rows_of(transposed(halved, doubling, 1, as_dictionary(cells, x)), cells),
    ]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


def features_of(network: MinkUNet, cells: np.ndarray, x: np.ndarray) -> np.ndarray:
    maps = maps_of(cells, 5)
    with torch.no_grad():
        return network.eval().point_features(SparseInputs.of_voxels(torch.from_numpy(x), maps)).numpy()


def test_a_whole_small_sr_unet_gives_the_features_of_minkowski():
    rng = np.random.default_rng(5)
    cells = random_cells(1, 250)
    assert (cells < 0).any()
    assert (cells % 2 == 1).any()
    x = rng.uniform(0, 2, (len(cells), 1)).astype(np.float32)
    state = random_state(rng, SMALL.stem, SMALL.planes, SMALL.blocks, 1)
    network = MinkUNet(SMALL, 1, None)
    weights, heads = translate_weights({name: torch.from_numpy(value) for name, value in state.items()}, network)
    network.load_state_dict(weights)
    assert heads == {}
    expected = rows_of(res16unet(as_dictionary(cells, x), state), cells)
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(features_of(network, cells, x), expected, rtol=0, atol=TOLERANCE)


def test_an_origin_off_the_lattice_gives_other_features():
    rng = np.random.default_rng(6)
    cells, x = random_cells(2, 100), rng.uniform(0, 2, (100, 1)).astype(np.float32)
    torch.manual_seed(1)
    network = MinkUNet(SMALL, 1, None).eval()
    shifted = maps_of(cells + 1, 5)
    with torch.no_grad():
        moved = network.point_features(SparseInputs.of_voxels(torch.from_numpy(x), shifted)).numpy()
    assert np.abs(moved - features_of(network, cells, x)).max() > 0.01


def test_a_res16unet34c_has_the_374_tensors_of_its_checkpoints():
    shape = SHAPES["res16unet_34c"]
    state = random_state(np.random.default_rng(0), shape.stem, shape.planes, shape.blocks, 1)
    with_head = {**state, "final.kernel": np.zeros((96, 64)), "final.bias": np.zeros((1, 64))}
    assert len(with_head) == 374
    trainable = [name for name in with_head if not name.endswith(("mean", "var", "tracked"))]
    assert len(trainable) == 188
    assert sum(with_head[name].size for name in trainable) == 37_849_184


def small_state() -> dict[str, torch.Tensor]:
    state = random_state(np.random.default_rng(0), SMALL.stem, SMALL.planes, SMALL.blocks, 1)
    return {name: torch.from_numpy(value) for name, value in state.items()}


def test_both_heads_keep_their_numbers():
    kernel, bias = torch.randn(5, 64), torch.randn(1, 64)
    state = {**small_state(), "final.kernel": kernel, "final.bias": bias, "final_class_level.kernel": -kernel}
    _, heads = translate_weights(state, MinkUNet(SMALL, 1, None))
    x = torch.randn(3, 5)
    ours = torch.nn.functional.linear(x, heads["point.linear.weight"], heads["point.linear.bias"])
    torch.testing.assert_close(ours, x @ kernel + bias)
    torch.testing.assert_close(heads["class_point.linear.weight"], -kernel.t())
    assert not heads["class_point.linear.bias"].any()


def test_old_files_without_counters_are_taken():
    state = {name: tensor for name, tensor in small_state().items() if "tracked" not in name}
    weights, _ = translate_weights(state, MinkUNet(SMALL, 1, None))
    assert weights["stem.0.norm.num_batches_tracked"] == 0


def without(name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in small_state().items() if key != name}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (without("block3.0.conv2.kernel"), "1 missing: block3.0.conv2.kernel"),
        ({**small_state(), "block9.0.conv1.kernel": torch.zeros(1)}, "1 unexpected: block9.0.conv1.kernel"),
        ({**small_state(), "conv1p1s2.kernel": torch.zeros(8, 6, 7)}, r"1 misshapen: conv1p1s2.kernel \(8, 6, 7\)"),
        ({**small_state(), "conv0p1s1.kernel": torch.zeros(125, 1, 6)}, r"misshapen: conv0p1s1.kernel \(125, 1, 6\)"),
        ({**small_state(), "bn0.bn.bias": torch.full((6,), torch.nan)}, "1 not finite: bn0.bn.bias"),
        ({**small_state(), "final.kernel": torch.zeros(96, 64)}, r"misshapen: final.kernel \(96, 64\)"),
        ({**small_state(), "final.bias": torch.zeros(1, 64)}, r"misshapen: final.bias \(1, 64\)"),
        ({}, "missing: conv0p1s1.kernel"),
    ],
)
def test_what_does_not_belong_to_the_architecture_is_named(state, told):
    with pytest.raises(BadCheckpoint, match=told):
        translate_weights(state, MinkUNet(SMALL, 1, None))


def test_both_generations_of_spconv_files_are_told_apart_by_their_shapes():
    ours = torch.randn(27, 4, 16)
    second = ours.reshape(3, 3, 3, 4, 16).permute(4, 2, 1, 0, 3)  # C_out, z, y, x, C_in
    first = ours.reshape(3, 3, 3, 4, 16).permute(2, 1, 0, 3, 4)  # z, y, x, C_in, C_out
    torch.testing.assert_close(from_spconv_order(second, (3, 3, 3)), ours)
    torch.testing.assert_close(from_spconv_order(first, (3, 3, 3)), ours)
    assert from_spconv_order(ours, (3, 3, 3)) is None


def test_a_voxelnet_with_kernels_of_another_size_is_refused():
    state = {"conv_input.0.weight": torch.zeros(16, 3, 3, 3, 5)}
    with pytest.raises(BadCheckpoint, match=r"1 misshapen: conv_input.0.weight \(16, 3, 3, 3, 5\)"):
        translate_weights(state, VoxelNet(None))
