"""InfoNCE (van den Oord et al., 2018) between two lists of features whose rows belong together; every contrastive loss here stands on it."""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

_ENTRIES_AT_ONCE = 1 << 20  # of the matrix of similarities: 4 MiB, which stays in the processor's cache


def paired_info_nce(point_feature: Tensor, pixel_feature: Tensor, temperature: float = 0.07) -> Tensor:
    """Contrast each point with its own pixel against the pixels of the other pairs (OLIVINE, eq. 1; PPKT).

    point_feature, pixel_feature: (P, C), row i of both is one pair; unit rows are expected, not enforced.
    Returns a scalar; 0 pairs give 0 with a gradient path. Once differentiable.
    """
    return labelled_info_nce(point_feature, pixel_feature, None, temperature)


def labelled_info_nce(point_feature: Tensor, pixel_feature: Tensor, label: Tensor | None, temperature: float) -> Tensor:
    """Mean of -log(sum over the pixels of the point's label / sum over all pixels) of exp(<point_i, pixel_j> / temperature).

    point_feature, pixel_feature: (P, C); label: (P,) int64 of both, nothing = each pair has its own. Returns a scalar in float32 at least (autocast is
    switched off: half precision would round a logit of 1 / 0.07 by 0.03); 0 pairs give 0 with a gradient path.
    """
    with torch.autocast(device_type=point_feature.device.type, enabled=False):
        anchor, other = at_least_float32(point_feature) / temperature, at_least_float32(pixel_feature)
        dtype = torch.promote_types(anchor.dtype, other.dtype)
        return _LabelledInfoNce.apply(anchor.to(dtype), other.to(dtype), label)


def similarity_logits(anchor: Tensor, other: Tensor, temperature: float) -> Tensor:
    """(P, Q) of <anchor_i, other_j> / temperature, in float32 at least and without autocast. anchor: (P, C), other: (Q, C)."""
    with torch.autocast(device_type=anchor.device.type, enabled=False):
        return (at_least_float32(anchor) / temperature) @ at_least_float32(other).T


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor, in its shape, in float32, or as it is where it is more precise already."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def mean_or_zero(loss: Tensor) -> Tensor:
    """Mean of (P,) losses; 0 with a gradient path if P is 0."""
    return loss.sum() / max(len(loss), 1)


class _LabelledInfoNce(torch.autograd.Function):
    """The loss and its gradient in one walk over rows of the similarities, which are never held as a whole.

    With S = anchor other^T the gradient of row i is softmax(S_i) - softmax(S_i over the columns of its label).
    """

    @staticmethod
    def forward(ctx: FunctionCtx, anchor: Tensor, other: Tensor, label: Tensor | None) -> Tensor:
        """anchor, other: (P, C) of one dtype, anchor divided by the temperature; label: (P,)."""
        count = max(len(anchor), 1)
        at_once = max(1, _ENTRIES_AT_ONCE // count)
        order, ends = _by_label(label, len(anchor))
        if order is not None:
            anchor, other = anchor[order], other[order]
        are_small = _are_small(anchor, other)
        slope_of = _slope_of_small if are_small else _slope_of_any
        left = anchor / math.log(2.0) if are_small else anchor
        slopes = torch.zeros_like(anchor), torch.zeros_like(other)
        losses = anchor.new_empty(len(anchor))
        # One block after the other in the same memory: fresh memory would cost more than what is computed in it.
        memory = anchor.new_empty((min(at_once, len(anchor)), len(other)))
        for begin in range(0, len(anchor), at_once):
            rows = slice(begin, min(begin + at_once, len(anchor)))
            block = torch.mm(left[rows], other.T, out=memory[: rows.stop - begin])
            divisor = slope_of(block, begin, ends, losses[rows])
            torch.mm(block, other, out=slopes[0][rows]).div_(divisor)
            slopes[1].addmm_(block.T, anchor[rows] / divisor)
        ctx.save_for_backward(*(_in_order(slope.div_(count), order) for slope in slopes))
        return losses.sum() / count

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of anchor and other; none of the labels."""
        of_anchor, of_other = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradient * of_anchor, gradient * of_other, None


def _by_label(label: Tensor | None, count: int) -> tuple[Tensor | None, list[int] | None]:
    """An order in which equal labels stand together, and where each of them ends in it; neither where all are different.

    The positives of a row are a slice of its columns then. A mask of them would cost as much as the rest of the loss, and
    the exponential of minus infinity, which it leaves, is ten times as slow as that of a number.
    """
    if label is None or count == 0:
        return None, None
    ends = label.unique(return_counts=True)[1].cumsum(0).tolist()
    return (None, None) if len(ends) == count else (label.argsort(stable=True), ends)


def _positives(begin: int, count: int, ends: list[int]) -> Iterator[tuple[slice, slice]]:
    """Rows of a block of `count` from `begin` on, and the columns of their label, where both are in the order of labels."""
    for first, end in pairwise([0, *ends]):
        rows = slice(max(first - begin, 0), min(end - begin, count))
        if rows.start < rows.stop:
            yield rows, slice(first, end)


def _are_small(anchor: Tensor, other: Tensor) -> bool:
    """Whether no similarity can be so large that its exponential, or the sum of a row of them, is 0 or infinite."""
    if len(anchor) == 0:
        return True
    largest = float(anchor.norm(dim=1).max() * other.norm(dim=1).max())
    return largest < math.log(torch.finfo(anchor.dtype).max) - math.log(len(other)) - 1.0  # false for NaN


def _slope_of_small(logits: Tensor, begin: int, ends: list[int] | None, losses: Tensor) -> Tensor:
    """The slope of (A, P) rows from `begin` on, in their place but for a divisor (A, 1), which is returned; fills their losses.

    logits: in units of log 2, as powers of two take a third of the time of torch's exponential.
    """
    own = logits.diagonal(offset=begin)  # the only positive where all labels are different
    if ends is None:
        torch.mul(own, math.log(2.0), out=losses)
    of_all = logits.exp2_().sum(1)
    if ends is None:
        torch.sub(of_all.log(), losses, out=losses)
        own.sub_(of_all)
        return of_all[:, None]
    for rows, columns in _positives(begin, len(logits), ends):
        share = of_all[rows] / logits[rows, columns].sum(1)
        torch.log(share, out=losses[rows])
        logits[rows, columns].mul_((1.0 - share)[:, None])
    return of_all[:, None]


def _slope_of_any(logits: Tensor, begin: int, ends: list[int] | None, losses: Tensor) -> Tensor:
    """The same for logits of any size, which takes longer."""
    logits.sub_(logits.logsumexp(1, keepdim=True))
    positives = []
    if ends is None:
        torch.neg(logits.diagonal(offset=begin), out=losses)
    else:
        for rows, columns in _positives(begin, len(logits), ends):
            of_label = logits[rows, columns].logsumexp(1, keepdim=True)
            losses[rows] = -of_label.squeeze(1)
            positives.append((rows, columns, (logits[rows, columns] - of_label).exp_()))
    logits.exp_()
    if ends is None:
        logits.diagonal(offset=begin).sub_(1.0)
    for rows, columns, share in positives:
        logits[rows, columns].sub_(share)
    return torch.ones_like(losses)[:, None]


def _in_order(sorted_rows: Tensor, order: Tensor | None) -> Tensor:
    """Rows back where they came from."""
    return sorted_rows if order is None else torch.empty_like(sorted_rows).index_copy_(0, order, sorted_rows)
