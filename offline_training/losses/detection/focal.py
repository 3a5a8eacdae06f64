"""Focal loss of dense detection (Lin et al., ICCV 2017)."""

import torch
from torch import Tensor
from torch.nn import functional


def sigmoid_focal(logit: Tensor, truth: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """-alpha_t (1 - p_t)^gamma log(p_t) of every score (eq. 5), one sigmoid each.

    logit: any shape; truth: the same shape, 1 where the class is there, else 0. Returns that shape in float32 at least.
    """
    logit = logit.to(torch.promote_types(logit.dtype, torch.float32))  # half precision has no log of a small p
    truth = truth.to(logit.dtype)
    score = logit.sigmoid()
    missed = truth * (1.0 - score) + (1.0 - truth) * score  # 1 - p_t
    weight = truth * alpha + (1.0 - truth) * (1.0 - alpha)
    return weight * missed**gamma * functional.binary_cross_entropy_with_logits(logit, truth, reduction="none")
