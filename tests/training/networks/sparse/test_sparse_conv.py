"""Sparse convolution against dense convolution on the same voxels, forward and gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_training.networks.sparse.convolution import (
    DownConv,
    SubmanifoldConv,
    UpConv,
    WideConv,
    sparse_conv,
    sparse_inverse_conv,
)
from offline_training.networks.sparse.cpu_conv import LANES
from offline_training.networks.sparse.maps import SparseMaps
from offline_training.networks.sparse.torchsparse_conv import to_torchsparse_order
from tests.training.networks.sparse.random_voxels import (
    SIDE,
    maps_of,
    random_coords,
    random_problem,
    values_and_gradients,
)


def dense(x: torch.Tensor, coords: np.ndarray, side: int) -> torch.Tensor:
    """(N, C) on voxels to (1, C, side, side, side)."""
    grid = x.new_zeros(side, side, side, x.shape[1])
    index = torch.from_numpy(coords.astype(np.int64))
    grid = grid.index_put((index[:, 0], index[:, 1], index[:, 2]), x)
    return grid.permute(3, 0, 1, 2)[None]


def at(grid: torch.Tensor, coords: np.ndarray) -> torch.Tensor:
    index = torch.from_numpy(coords.astype(np.int64))
    return grid[0].permute(1, 2, 3, 0)[index[:, 0], index[:, 1], index[:, 2]]


def cubic(weight: torch.Tensor, side: int) -> torch.Tensor:
    """[K, C_in, C_out] to conv3d's (C_out, C_in, side, side, side)."""
    return weight.reshape(side, side, side, *weight.shape[1:]).permute(4, 3, 0, 1, 2)


sizes = st.tuples(st.integers(0, 1000), st.integers(1, 300), st.integers(1, 5), st.integers(1, 5))


@settings(max_examples=25, deadline=None)
@given(sizes, st.sampled_from(["gather", "offset"]))
def test_submanifold_convolution_equals_dense_convolution_on_its_voxels(size, form):
    seed, count, c_in, c_out = size
    coords = random_coords(seed, count)
    maps = maps_of(coords, 1)
    x, weight = random_problem(seed, count, 27, c_in, c_out, torch.float64)
    pull = torch.randn(count, c_out, dtype=torch.float64)
    expected = at(torch.conv3d(dense(x, coords, SIDE), cubic(weight, 3), padding=1), coords)
    found = sparse_conv(x, weight, maps.subm[0], form)
    for a, b in zip(
        values_and_gradients(found, x, weight, pull), values_and_gradients(expected, x, weight, pull), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@settings(max_examples=15, deadline=None)
@given(sizes, st.sampled_from(["gather", "offset"]))
def test_a_wide_convolution_equals_dense_convolution_on_its_voxels(size, form):
    seed, count, c_in, c_out = size
    coords = random_coords(seed, count)
    x, weight = random_problem(seed, count, 125, c_in, c_out, torch.float64)
    pull = torch.randn(count, c_out, dtype=torch.float64)
    expected = at(torch.conv3d(dense(x, coords, SIDE), cubic(weight, 5), padding=2), coords)
    found = sparse_conv(x, weight, maps_of(coords, 1).wide, form)
    for a, b in zip(
        values_and_gradients(found, x, weight, pull), values_and_gradients(expected, x, weight, pull), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", ["blocks", "triton"])
def test_a_wide_convolution_of_compiled_kernels_equals_the_reference(form):
    if form == "triton":
        pytest.importorskip("triton")
    maps = maps_of(random_coords(3, 90), 1)
    x, weight = random_problem(3, 90, 125, LANES, LANES, torch.float32)
    pull = torch.randn(90, LANES)
    expected, found = (sparse_conv(x, weight, maps.wide, each) for each in ("gather", form))
    for a, b in zip(
        values_and_gradients(found, x, weight, pull), values_and_gradients(expected, x, weight, pull), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_a_wide_convolution_is_for_the_finest_level():
    with pytest.raises(ValueError, match="expected 0 for a 5x5x5"):
        WideConv(2, 3)(torch.ones(1, 2), maps_of(random_coords(0, 1)), 1)


@settings(max_examples=25, deadline=None)
@given(sizes, st.sampled_from(["gather", "offset"]))
def test_strided_convolution_equals_dense_convolution_with_stride_two(size, form):
    seed, count, c_in, c_out = size
    coords = random_coords(seed, count)
    maps = maps_of(coords)
    coarse = maps.coords[1][:, 1:].numpy()
    x, weight = random_problem(seed, count, 8, c_in, c_out, torch.float64)
    pull = torch.randn(len(coarse), c_out, dtype=torch.float64)
    expected = at(torch.conv3d(dense(x, coords, SIDE), cubic(weight, 2), stride=2), coarse)
    found = sparse_conv(x, weight, maps.child[0], form)
    for a, b in zip(
        values_and_gradients(found, x, weight, pull), values_and_gradients(expected, x, weight, pull), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(sizes, st.sampled_from(["gather", "offset"]))
def test_inverse_convolution_equals_dense_transposed_convolution_on_the_fine_voxels(size, form):
    seed, count, c_in, c_out = size
    coords = random_coords(seed, count)
    maps = maps_of(coords)
    coarse = maps.coords[1][:, 1:].numpy()
    x, weight = random_problem(seed, len(coarse), 8, c_in, c_out, torch.float64)
    pull = torch.randn(count, c_out, dtype=torch.float64)
    kernel = weight.reshape(2, 2, 2, c_in, c_out).permute(3, 4, 0, 1, 2)
    expected = at(torch.conv_transpose3d(dense(x, coarse, SIDE // 2), kernel, stride=2), coords)
    found = sparse_inverse_conv(x, weight, maps.child[0], form)
    for a, b in zip(
        values_and_gradients(found, x, weight, pull), values_and_gradients(expected, x, weight, pull), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 500), st.integers(1, 3), st.integers(1, 5))
def test_compiled_blocks_equal_the_reference(seed, count, c_in, c_out):
    maps = maps_of(random_coords(seed, count))
    problems = [(maps.subm[0], 27, count, sparse_conv), (maps.child[0], 8, count, sparse_conv)]
    problems.append((maps.child[0], 8, maps.counts[1], sparse_inverse_conv))
    for table, kernel, rows, convolve in problems:
        x, weight = random_problem(seed, rows, kernel, LANES * c_in, LANES * c_out, torch.float32)
        expected, found = convolve(x, weight, table, "gather"), convolve(x, weight, table, "blocks")
        assert type(found.grad_fn).__name__ == "BlockConvBackward"
        pull = torch.randn(expected.shape)
        for a, b in zip(
            values_and_gradients(found, x, weight, pull), values_and_gradients(expected, x, weight, pull), strict=True
        ):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.detach().abs().max()))


@pytest.mark.slow
def test_gradients_are_those_of_finite_differences():
    maps = maps_of(random_coords(3, 25))
    x, weight = random_problem(1, 25, 27, 2, 2, torch.float64)
    assert torch.autograd.gradcheck(lambda a, b: sparse_conv(a, b, maps.subm[0], "offset"), (x, weight))
    x, weight = random_problem(2, 25, 8, 2, 3, torch.float64)
    assert torch.autograd.gradcheck(lambda a, b: sparse_conv(a, b, maps.child[0], "offset"), (x, weight))
    x, weight = random_problem(3, maps.counts[1], 8, 2, 3, torch.float64)
    assert torch.autograd.gradcheck(lambda a, b: sparse_inverse_conv(a, b, maps.child[0], "offset"), (x, weight))


@pytest.mark.parametrize("form", ["gather", "offset", "auto"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_voxel_and_one_voxel_are_fine(form, count):
    maps = maps_of(random_coords(0, count), form=form)
    x = torch.randn(count, 4, requires_grad=True)
    down = DownConv(4, 16)(SubmanifoldConv(4, 4)(x, maps, 0), maps, 0)
    y = UpConv(16, 16)(down, maps, 0)
    y.sum().backward()
    assert y.shape == (count, 16)
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())


@pytest.mark.parametrize("form", ["offset", "blocks"])
def test_a_result_is_the_same_bit_by_bit_when_repeated(form):
    maps = maps_of(random_coords(5, 400))
    x, weight = random_problem(0, 400, 27, LANES, LANES, torch.float32)
    results = []
    for _ in range(3):
        y = sparse_conv(x, weight, maps.subm[0], form)
        results.append(values_and_gradients(y, x, weight, torch.ones_like(y)))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_scans_of_a_batch_do_not_see_each_other():
    coords = [random_coords(1, 100), random_coords(2, 150)]
    batch = np.repeat(np.array([0, 1], np.int32), [100, 150])
    together = SparseMaps.of_coords(np.concatenate(coords), batch, levels=2)
    layer = SubmanifoldConv(3, 16)
    x = torch.randn(250, 3)
    apart = [layer(part, maps_of(one), 0) for part, one in zip(x.split([100, 150]), coords, strict=True)]
    torch.testing.assert_close(layer(x, together, 0), torch.cat(apart))


@pytest.mark.slow
def test_half_precision_under_autocast_keeps_its_sums_in_float32():
    maps = maps_of(random_coords(4, 300))
    x, weight = random_problem(0, 300, 27, 16, 16, torch.float32)
    exact = sparse_conv(x, weight, maps.subm[0], "offset")
    with torch.autocast("cpu", torch.bfloat16):
        rough = sparse_conv(x, weight, maps.subm[0])
    assert rough.dtype == torch.bfloat16
    assert float((rough.float() - exact).detach().norm() / exact.detach().norm()) < 0.01


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="expected one of"):
        maps_of(random_coords(0, 5), form="magic")


def test_the_order_of_torchsparse_has_x_fastest():
    weight = torch.arange(27.0).reshape(27, 1, 1)  # ours: number = 9 x + 3 y + z
    theirs = to_torchsparse_order(weight)
    assert theirs[1].item() == 9  # their second offset is one step in x
    assert theirs[9].item() == 1
    assert torch.equal(to_torchsparse_order(theirs), weight)
