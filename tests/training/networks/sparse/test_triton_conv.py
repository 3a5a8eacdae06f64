"""The Triton kernels against the readable reference: on CUDA where it is, else interpreted on a CPU; and compiled for GPUs that are not here."""

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from lidar_vl_core.voxels.encoder_tables import STRIDED
from lidar_vl_core.voxels.strided_conv import strided_conv_table
from offline_training.networks.sparse import triton_conv
from offline_training.networks.sparse.convolution import sparse_conv, sparse_inverse_conv
from offline_training.networks.sparse.gather_rows import FlatPairs, GatherRows
from offline_training.networks.sparse.maps import NeighbourTable
from tests.training.networks.sparse.random_voxels import maps_of, random_coords, random_problem, values_and_gradients

Convolve = Callable[[torch.Tensor, torch.Tensor, str], torch.Tensor]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
KINDS = ("submanifold", "strided", "inverse", "strided in z alone", "no neighbours")


def problem(kind: str, count: int = 60) -> tuple[int, int, int, Convolve]:
    """Rows in, rows out, kernel offsets, and the convolution in a form."""
    coords = random_coords(1, count)
    if kind == "strided in z alone":
        sites = np.insert(coords, 0, 0, axis=1)
        out, index = strided_conv_table(sites, (8, 8, 8), STRIDED[3])
        table = NeighbourTable(torch.from_numpy(index.astype(np.int64)), count).to(DEVICE)
        return count, len(out), 3, lambda x, weight, form: sparse_conv(x, weight, table, form)
    if kind == "no neighbours":
        coords = 4 * coords
    maps = maps_of(coords).to(DEVICE)
    subm, child = maps.subm[0], maps.child[0]
    if kind == "strided":
        return count, maps.counts[1], 8, lambda x, weight, form: sparse_conv(x, weight, child, form)
    if kind == "inverse":
        return maps.counts[1], count, 8, lambda x, weight, form: sparse_inverse_conv(x, weight, child, form)
    return count, count, 27, lambda x, weight, form: sparse_conv(x, weight, subm, form)


def random_values(
    rows: int, kernel: int, c_in: int, c_out: int, dtype: torch.dtype = torch.float32
) -> list[torch.Tensor]:
    values = random_problem(2, rows, kernel, c_in, c_out, torch.float32)
    return [value.detach().to(DEVICE, dtype).requires_grad_() for value in values]


def assert_equals_reference(kind: str, c_in: int, c_out: int, dtype: torch.dtype, tolerance: float) -> None:
    rows_in, rows_out, kernel, convolve = problem(kind)
    x, weight = random_values(rows_in, kernel, c_in, c_out, dtype)
    pull = torch.randn(rows_out, c_out).to(DEVICE, dtype)
    exact = [value.detach().double().requires_grad_() for value in (x, weight)]
    found = values_and_gradients(convolve(x, weight, "triton"), x, weight, pull)
    expected = values_and_gradients(convolve(*exact, "gather"), *exact, pull.double())
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a.double(), b, rtol=0, atol=tolerance * float(b.detach().abs().max()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("c_in", "c_out"), [(5, 7), (20, 33)])
def test_values_and_gradients_equal_the_reference(kind, c_in, c_out):
    assert_equals_reference(kind, c_in, c_out, torch.float32, 1e-6)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float16, 1e-3), (torch.bfloat16, 8e-3)]
)
def test_other_types_are_off_by_the_rounding_of_their_results_alone(dtype, tolerance):
    assert_equals_reference("submanifold", 16, 24, dtype, tolerance)


def test_gradients_are_those_of_finite_differences():
    x, weight = random_values(9, 8, 2, 3, torch.float64)
    child = maps_of(random_coords(3, 9)).to(DEVICE).child[0]
    assert torch.autograd.gradcheck(lambda a, b: sparse_conv(a, b, child, "triton"), (x, weight), fast_mode=True)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("kind", KINDS[:3])
def test_no_voxel_and_one_voxel_are_fine(kind, count):
    rows_in, rows_out, kernel, convolve = problem(kind, count)
    x, weight = random_values(rows_in, kernel, 3, 4)
    pull = torch.ones(rows_out, 4, device=DEVICE)
    for a, b in zip(
        *(values_and_gradients(convolve(x, weight, form), x, weight, pull) for form in ("triton", "gather")),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.slow
def test_every_tile_that_the_tuner_may_choose_gives_the_same(monkeypatch):
    from offline_training.networks.sparse import triton_kernels

    kernels = (triton_kernels.convolve, triton_kernels.weight_gradient)
    rows_in, rows_out, _, run = problem("strided in z alone")
    x, weight = random_values(rows_in, 3, 20, 33)
    pull = torch.ones(rows_out, 33, device=DEVICE)
    expected = values_and_gradients(run(x, weight, "gather"), x, weight, pull)
    for number in range(max(len(kernel.configs) for kernel in kernels)):
        monkeypatch.setattr(triton_kernels, "fitting", lambda configs, _named, **_sizes: configs)
        for kernel in kernels:
            monkeypatch.setattr(kernel, "configs", [kernel.configs[number % len(kernel.configs)]])
        for a, b in zip(values_and_gradients(run(x, weight, "triton"), x, weight, pull), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
        monkeypatch.undo()


@pytest.mark.parametrize("channels", [1, 16, 17, 64, 512])
def test_tiles_are_no_wider_than_the_channels_and_never_none(channels):
    from offline_training.networks.sparse.triton_kernels import convolve, fitting, weight_gradient

    for kernel in (convolve, weight_gradient):
        chosen = fitting(kernel.configs, {}, C_IN=channels, C_OUT=channels)
        assert chosen
        assert all(max(tile.kwargs["BLOCK_IN"], tile.kwargs["BLOCK_OUT"]) < 2 * max(16, channels) for tile in chosen)


def test_the_weight_gradient_is_the_same_in_any_number_of_shares(monkeypatch):
    rows_in, _, _, convolve = problem("strided")
    x, weight = random_values(rows_in, 8, 4, 4, torch.float64)
    whole = torch.autograd.grad(convolve(x, weight, "triton").sum(), weight)[0]
    monkeypatch.setattr(triton_conv, "_PAIRS_PER_SHARE", 4)
    torch.testing.assert_close(torch.autograd.grad(convolve(x, weight, "triton").sum(), weight)[0], whole)


def test_levels_of_other_orders_of_magnitude_are_tuned_apart():
    classes = [triton_conv._size_class(rows) for rows in (1_000, 4_000, 16_000, 64_000, 256_000)]
    assert len(set(classes)) == len(classes)
    assert triton_conv._size_class(30_000) == triton_conv._size_class(17_000)


def test_children_are_sorted_so_that_rows_side_by_side_share_their_one_offset():
    child = maps_of(random_coords(2, 200)).child[0]
    back = GatherRows.inverse_of_table(child.index, 200)
    offset = (back.slots >= 0).long().argmax(dim=0)
    assert torch.equal(offset, offset.sort().values)
    assert torch.equal(offset, child.up[back.targets.long()] % 8)
    assert torch.equal(back.slots.max(dim=0).values.long(), child.up[back.targets.long()] // 8)


def test_flat_pairs_are_the_pairs_of_each_offset_one_after_the_other():
    table = maps_of(random_coords(2, 50)).subm[0]
    pairs = FlatPairs.of_table(table.index, 50)
    assert torch.equal(pairs.in_rows.long(), torch.cat(table.pairs.in_rows))
    assert torch.equal(pairs.out_rows.long(), torch.cat(table.pairs.out_rows))
    assert pairs.starts.diff().tolist() == [len(rows) for rows in table.pairs.in_rows]


def test_tensors_on_a_cpu_are_refused_without_the_interpreter(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET")
    x, weight = random_problem(0, 20, 27, 2, 2, torch.float32)
    with pytest.raises(ValueError, match="form triton: expected tensors on CUDA, found cpu"):
        sparse_conv(x, weight, maps_of(random_coords(0, 20)).subm[0], "triton")


@pytest.mark.slow
def test_the_kernels_compile_for_gpus_that_are_not_here():
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "offline_training.networks.sparse.triton_targets", "--types", "fp16"]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
    targets = [80, 86, 89, 90, 120]
    assert [line.split()[:3] for line in output] == [
        [kernel, "fp16", f"sm_{target}"] for kernel in ("convolve", "weight_gradient") for target in targets
    ]
    assert all(int(line.split()[-4]) > 0 for line in output), "no products on tensor cores"
