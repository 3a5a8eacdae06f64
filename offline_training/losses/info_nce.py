"""InfoNCE between two lists of features whose rows belong together; every contrastive loss here stands on it."""

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
    """The tensor in float32, or as it is where it is more precise already."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def mean_or_zero(loss: Tensor) -> Tensor:
    """Mean of (P,) losses; of none 0 with a gradient path."""
    return loss.sum() / max(len(loss), 1)


class _LabelledInfoNce(torch.autograd.Function):
    """The loss and its gradient in one walk over rows of the similarities, which are never held as a whole.

    With S = anchor other^T the gradient of row i is softmax(S_i) - softmax(S_i over the columns of its label).
    """

    @staticmethod
    def forward(ctx: FunctionCtx, anchor: Tensor, other: Tensor, label: Tensor | None) -> Tensor:
        """anchor, other: (P, C) of one dtype, anchor divided by the temperature; label: (P,)."""
        total = anchor.new_zeros(())
        slopes = torch.zeros_like(anchor), torch.zeros_like(other)
        count = max(len(anchor), 1)
        at_once = max(1, _ENTRIES_AT_ONCE // count)
        for begin in range(0, len(anchor), at_once):
            rows = slice(begin, begin + at_once)
            logits = anchor[rows] @ other.T
            if label is None:
                loss, slope = _against_the_diagonal(logits, begin)
            else:
                loss, slope = _against_the_label(logits, label[rows, None] != label[None, :])
            total += loss
            torch.mm(slope, other, out=slopes[0][rows])
            slopes[1].addmm_(slope.T, anchor[rows])
        ctx.save_for_backward(*(slope.div_(count) for slope in slopes))
        return total / count

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of anchor and other; none of the labels."""
        of_anchor, of_other = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradient * of_anchor, gradient * of_other, None


def _against_the_diagonal(logits: Tensor, begin: int) -> tuple[Tensor, Tensor]:
    """Summed loss of (A, P) rows from `begin` on whose only positive is on the diagonal, and its slope in their place."""
    own = logits.diagonal(offset=begin)
    of_all = logits.logsumexp(1, keepdim=True)
    loss = (of_all.squeeze(1) - own).sum()
    slope = logits.sub_(of_all).exp_()
    slope.diagonal(offset=begin).sub_(1.0)
    return loss, slope


def _against_the_label(logits: Tensor, is_negative: Tensor) -> tuple[Tensor, Tensor]:
    """Summed loss of (A, P) rows, each with a positive at least, and its slope in their place. is_negative: (A, P) bool."""
    of_label = logits.masked_fill(is_negative, -torch.inf)
    of_all, of_positives = logits.logsumexp(1, keepdim=True), of_label.logsumexp(1, keepdim=True)
    slope = logits.sub_(of_all).exp_().sub_(of_label.sub_(of_positives).exp_())
    return (of_all - of_positives).sum(), slope
