"""InfoNCE between two lists of features whose rows belong together; every contrastive loss here stands on it."""

import torch
from torch import Tensor


def paired_info_nce(point_feature: Tensor, pixel_feature: Tensor, temperature: float = 0.07) -> Tensor:
    """Contrast each point with its own pixel against the pixels of the other pairs (OLIVINE, eq. 1; PPKT).

    point_feature, pixel_feature: (P, C), row i of both is one pair; unit rows are expected, not enforced.
    Returns a scalar; 0 pairs give 0 with a gradient path.
    """
    return mean_or_zero(info_nce_of_rows(point_feature, pixel_feature, temperature))


def info_nce_of_rows(anchor: Tensor, other: Tensor, temperature: float) -> Tensor:
    """(P,) of -log softmax(<anchor_i, other_j> / temperature) at j = i. anchor, other: (P, C)."""
    logits = similarity_logits(anchor, other, temperature)
    return logits.logsumexp(dim=1) - logits.diagonal()


def similarity_logits(anchor: Tensor, other: Tensor, temperature: float) -> Tensor:
    """(P, Q) of <anchor_i, other_j> / temperature, in float32 at least. anchor: (P, C), other: (Q, C).

    Half precision would round a logit of 1 / 0.07 by 0.03, so autocast is switched off here.
    """
    with torch.autocast(device_type=anchor.device.type, enabled=False):
        return (at_least_float32(anchor) / temperature) @ at_least_float32(other).T


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32, or as it is where it is more precise already."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def mean_or_zero(loss: Tensor) -> Tensor:
    """Mean of (P,) losses; of none 0 with a gradient path."""
    return loss.sum() / max(len(loss), 1)
