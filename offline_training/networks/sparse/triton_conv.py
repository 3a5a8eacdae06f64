"""Sparse convolution by the kernels of triton_kernels.py: an implicit matrix product, forward and backward, on CUDA.

float16 and bfloat16 are multiplied as they are and summed in float32; float32 goes through TF32 where torch's matrix products
may. Under Triton's interpreter (TRITON_INTERPRET=1) the same kernels run on a CPU, slowly: that is how they are tested.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from offline_training.networks.sparse.gather_rows import FlatPairs, GatherRows

_PROGRAMS = 512  # fill the largest cards about twice
_PAIRS_PER_SHARE = 512  # at least so many rows in one sum of the weight gradient


def is_available() -> bool:
    """True where Triton can be imported and a CUDA device is there."""
    return torch.cuda.is_available() and importlib.util.find_spec("triton") is not None


class TritonConv(torch.autograd.Function):
    """y[i] = sum_k x[slots[k, i]] @ weight[k]; `back` leads from outputs to inputs, `pairs` lists who feeds whom."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  torch's context
        x: Tensor,
        weight: Tensor,
        ahead: GatherRows,
        back: GatherRows,
        pairs: FlatPairs,
    ) -> Tensor:
        """Convolve x (N_in, C_in) by weight (K, C_in, C_out) to (N_out, C_out)."""
        x = x.contiguous()
        ctx.save_for_backward(x, weight)
        ctx.back, ctx.pairs = back, pairs
        return _convolve(x, weight, ahead)

    @staticmethod
    def backward(ctx: Any, y_gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:  # noqa: ANN401
        """Gradients of x and weight, in their shapes; None for the other arguments. y_gradient: (N_out, C_out)."""
        x, weight = ctx.saved_tensors
        y_gradient = y_gradient.contiguous()
        wants_x, wants_weight = ctx.needs_input_grad[:2]
        x_gradient = _convolve(y_gradient, weight.transpose(1, 2), ctx.back) if wants_x else None
        weight_gradient = _weight_gradient(x, y_gradient, ctx.pairs, weight) if wants_weight else None
        return x_gradient, weight_gradient, None, None, None


def _convolve(x: Tensor, weight: Tensor, gather: GatherRows) -> Tensor:
    from triton import cdiv

    from offline_training.networks.sparse.triton_kernels import convolve

    rows, (kernel, c_in, c_out) = len(gather.targets), weight.shape
    y = x.new_empty(rows, c_out)
    if y.numel():
        _launch(
            convolve, x.device, lambda tile: (cdiv(rows, tile["BLOCK_ROWS"]), cdiv(c_out, tile["BLOCK_OUT"])),
            x, weight.contiguous(), y, gather.slots, gather.targets, rows, _size_class(rows),
            C_IN=c_in, C_OUT=c_out, KERNEL=kernel, **_arithmetic(x),
        )  # fmt: skip
    return y


def _weight_gradient(x: Tensor, y_gradient: Tensor, pairs: FlatPairs, weight: Tensor) -> Tensor:
    from triton import cdiv

    from offline_training.networks.sparse.triton_kernels import weight_gradient

    kernel, c_in, c_out = weight.shape
    shares = max(1, min(_PROGRAMS // (kernel * cdiv(c_in, 64) * cdiv(c_out, 64)), len(y_gradient) // _PAIRS_PER_SHARE))
    shares = 1 << (shares.bit_length() - 1)  # few different ones: each is compiled
    sums = torch.zeros(shares, kernel, c_in, c_out, dtype=torch.promote_types(x.dtype, torch.float32), device=x.device)
    if sums.numel() and len(pairs.in_rows):
        _launch(
            weight_gradient, x.device,
            lambda tile: (kernel * shares, cdiv(c_in, tile["BLOCK_IN"]), cdiv(c_out, tile["BLOCK_OUT"])),
            x, y_gradient, sums, pairs.in_rows, pairs.out_rows, pairs.starts, _size_class(len(y_gradient)),
            C_IN=c_in, C_OUT=c_out, KERNEL=kernel, SHARES=shares, **_arithmetic(x),
        )  # fmt: skip
    return sums.sum(dim=0).to(weight.dtype)


def _launch(
    kernel: Any,  # noqa: ANN401  Triton's tuner around a kernel
    device: torch.device,
    grid: Callable[[Any], tuple[int, ...]],
    *arguments: Tensor | int,
    **sizes: Any,  # noqa: ANN401  numbers and types
) -> None:
    from triton import knobs

    from offline_training.networks.sparse.triton_kernels import fitting

    if device.type == "cuda":
        kernel[grid](*arguments, **sizes)
    elif knobs.runtime.interpret:  # nothing to measure there; the largest tiles are the fewest steps
        kernel.fn[grid](*arguments, **sizes, **fitting(kernel.configs, {}, **sizes)[-1].kwargs)
    else:
        raise ValueError(f"form triton: expected tensors on CUDA, found {device}. Use form auto on other devices.")


def _arithmetic(x: Tensor) -> dict[str, Any]:
    """In which types products and sums are taken, as arguments of a kernel."""
    import triton.language as tl

    product = {torch.float16: tl.float16, torch.bfloat16: tl.bfloat16, torch.float32: tl.float32}.get(
        x.dtype, tl.float64
    )
    if x.device.type == "cpu" and product == tl.bfloat16:
        product = tl.float32  # the interpreter multiplies no bfloat16; products of two are exact in float32
    exact = torch.get_float32_matmul_precision() == "highest"
    return {
        "PRODUCT": product,
        "TOTAL": tl.float64 if product == tl.float64 else tl.float32,
        "PRECISION": "ieee" if exact else "tf32",
    }


def _size_class(rows: int) -> int:
    """The order of magnitude of a level: one more for four times the rows."""
    return (rows.bit_length() + 1) // 2
