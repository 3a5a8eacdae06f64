"""Sparse convolution as Triton kernels: rows are gathered block by block into a matrix product, nothing is written out between.

Offsets that no row of a block has are skipped. No output is written twice and nothing is added at an address, so a result
is the same in every run. Needs Triton alone; triton_conv.py calls them.
"""

from typing import Any

import triton
import triton.language as tl


def fitting(configs: list[triton.Config], _named: dict[str, Any], **sizes: Any) -> list[triton.Config]:  # noqa: ANN401
    """The tiles that are no wider than the channels, as far as a matrix product of 16 columns allows."""
    widths = {"BLOCK_IN": sizes["C_IN"], "BLOCK_OUT": sizes["C_OUT"]}
    widest = {name: max(16, triton.next_power_of_2(width)) for name, width in widths.items()}
    return [config for config in configs if all(config.kwargs[name] <= width for name, width in widest.items())]


# Chosen by measurement for each pair of widths, kernel size and order of magnitude of the rows; kept on disk.
_KEY = ["C_IN", "C_OUT", "KERNEL", "size_class"]


@triton.autotune(
    [
        triton.Config({"BLOCK_ROWS": rows, "BLOCK_OUT": columns, "BLOCK_IN": depth}, num_warps=warps, num_stages=stages)
        for rows, columns, depth, warps, stages in (
            (128, 16, 16, 4, 3), (128, 32, 16, 4, 3), (64, 32, 32, 4, 3), (128, 32, 32, 4, 3), (64, 64, 32, 4, 3),
            (128, 64, 32, 4, 3), (128, 64, 64, 4, 2), (64, 128, 32, 4, 3), (128, 128, 32, 8, 3),
        )
    ],
    _KEY, prune_configs_by={"early_config_prune": fitting}, cache_results=True,
)  # fmt: skip
@triton.jit(do_not_specialize=["rows", "size_class"])
def convolve(
    x: tl.tensor, weight: tl.tensor, y: tl.tensor, slots: tl.tensor, targets: tl.tensor, rows: tl.tensor, size_class: tl.tensor,
    C_IN: tl.constexpr, C_OUT: tl.constexpr, KERNEL: tl.constexpr,
    PRODUCT: tl.constexpr, TOTAL: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_ROWS: tl.constexpr, BLOCK_OUT: tl.constexpr, BLOCK_IN: tl.constexpr,
) -> None:  # fmt: skip
    """y[targets[i]] = sum_k x[slots[k, i]] @ weight[k]. x: (rows in, C_IN), weight: (KERNEL, C_IN, C_OUT)."""
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    column = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    channel = tl.arange(0, BLOCK_IN)
    total = tl.zeros((BLOCK_ROWS, BLOCK_OUT), dtype=TOTAL)
    for k in range(KERNEL):
        source = tl.load(slots + k * rows + row, mask=row < rows, other=-1)
        present = source >= 0
        if tl.max(source, axis=0) >= 0:
            x_row = x + source.to(tl.int64)[:, None] * C_IN
            weight_k = weight + k * C_IN * C_OUT
            for start in range(0, C_IN, BLOCK_IN):
                c = start + channel
                a = tl.load(x_row + c[None, :], mask=present[:, None] & (c < C_IN)[None, :], other=0.0)
                b_mask = (c < C_IN)[:, None] & (column < C_OUT)[None, :]
                b = tl.load(weight_k + c[:, None] * C_OUT + column[None, :], mask=b_mask, other=0.0)
                total = tl.dot(a.to(PRODUCT), b.to(PRODUCT), total, input_precision=PRECISION, out_dtype=TOTAL)
    target = tl.load(targets + row, mask=row < rows, other=0).to(tl.int64)
    y_mask = (row < rows)[:, None] & (column < C_OUT)[None, :]
    tl.store(y + target[:, None] * C_OUT + column[None, :], total.to(y.dtype.element_ty), mask=y_mask)


@triton.autotune(
    [
        triton.Config({"BLOCK_PAIRS": pairs, "BLOCK_IN": depth, "BLOCK_OUT": columns}, num_warps=warps, num_stages=stages)
        for pairs, depth, columns, warps, stages in (
            (64, 16, 16, 4, 3), (64, 16, 32, 4, 3), (64, 32, 16, 4, 3), (64, 32, 32, 4, 3), (32, 64, 64, 4, 3),
            (64, 64, 64, 4, 3), (32, 64, 128, 8, 3), (32, 128, 64, 8, 3), (32, 128, 128, 8, 3),
        )
    ],
    _KEY, prune_configs_by={"early_config_prune": fitting}, cache_results=True,
)  # fmt: skip
@triton.jit(do_not_specialize=["size_class"])
def weight_gradient(
    x: tl.tensor, y_gradient: tl.tensor, sums: tl.tensor, in_rows: tl.tensor, out_rows: tl.tensor, starts: tl.tensor,
    size_class: tl.tensor,
    C_IN: tl.constexpr, C_OUT: tl.constexpr, KERNEL: tl.constexpr,
    PRODUCT: tl.constexpr, TOTAL: tl.constexpr, PRECISION: tl.constexpr,
    SHARES: tl.constexpr, BLOCK_PAIRS: tl.constexpr, BLOCK_IN: tl.constexpr, BLOCK_OUT: tl.constexpr,
) -> None:  # fmt: skip
    """sums[s, k] = sum over share s of the pairs of offset k: x[in_rows]^T @ y_gradient[out_rows]. (SHARES, KERNEL, C_IN, C_OUT)."""
    k = tl.program_id(0) // SHARES
    share = tl.program_id(0) % SHARES
    channel = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
    column = tl.program_id(2) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    first = tl.load(starts + k)
    last = tl.load(starts + k + 1)
    length = (last - first + SHARES - 1) // SHARES
    begin = first + share * length
    end = tl.minimum(begin + length, last)
    total = tl.zeros((BLOCK_IN, BLOCK_OUT), dtype=TOTAL)
    for start in range(begin, end, BLOCK_PAIRS):
        pair = start + tl.arange(0, BLOCK_PAIRS)
        inside = pair < end
        source = tl.load(in_rows + pair, mask=inside, other=0).to(tl.int64)
        target = tl.load(out_rows + pair, mask=inside, other=0).to(tl.int64)
        a_mask = inside[:, None] & (channel < C_IN)[None, :]
        b_mask = inside[:, None] & (column < C_OUT)[None, :]
        a = tl.load(x + source[:, None] * C_IN + channel[None, :], mask=a_mask, other=0.0)
        b = tl.load(y_gradient + target[:, None] * C_OUT + column[None, :], mask=b_mask, other=0.0)
        total = tl.dot(tl.trans(a.to(PRODUCT)), b.to(PRODUCT), total, input_precision=PRECISION, out_dtype=TOTAL)
    sum_k = sums + (share * KERNEL + k) * C_IN * C_OUT
    sum_mask = (channel < C_IN)[:, None] & (column < C_OUT)[None, :]
    tl.store(sum_k + channel[:, None] * C_OUT + column[None, :], total, mask=sum_mask)
