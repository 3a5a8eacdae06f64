"""Losses of supervised segmentation: cross-entropy and the Lovasz-softmax of Berman et al. (CVPR 2018)."""

import torch
from torch import Tensor
from torch.nn import functional

from lidar_vl_core.classes.class_table import IGNORE_ID


def cross_entropy(
    logits: Tensor, class_id: Tensor, class_weight: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Weighted mean of -log p(true class) over the voxels that have a class.

    logits: (N, K), class_id: (N,) int64, 255 = ignored, class_weight: (K,). Returns a scalar; without any class 0, with a gradient path.
    """
    known = class_id != IGNORE_ID
    if not bool(known.any()):
        return logits.sum() * 0.0
    loss = functional.cross_entropy(
        logits[known], class_id[known], weight=class_weight, reduction="sum", label_smoothing=label_smoothing
    )
    weight = known.sum() if class_weight is None else class_weight[class_id[known]].sum()
    return loss / weight.clamp_min(torch.finfo(logits.dtype).tiny)


def lovasz_softmax(logits: Tensor, class_id: Tensor) -> Tensor:
    """Convex surrogate of 1 - mean IoU over the classes that are present (eq. 11 with the mean of section 3.2).

    logits: (N, K), class_id: (N,) int64, 255 = ignored. Returns a scalar; without any class 0, with a gradient path.
    """
    known = class_id != IGNORE_ID
    if not bool(known.any()):
        return logits.sum() * 0.0
    truth = class_id[known]
    probability = logits[known].float().softmax(dim=1)  # half precision cannot sum that many errors
    return torch.stack(
        [_lovasz_of_class(probability[:, one_class], truth == one_class) for one_class in truth.unique().tolist()]
    ).mean()


def _lovasz_of_class(probability: Tensor, is_class: Tensor) -> Tensor:
    """Lovasz extension of the Jaccard loss at the errors m_i = |is_class_i - p_i| (eq. 8 and 9).

    probability: (N,) of the class; is_class: (N,) bool.
    """
    error = (is_class.to(probability.dtype) - probability).abs()
    error, order = error.sort(descending=True)
    return error @ _jaccard_steps(is_class[order]).to(error.dtype)


def _jaccard_steps(is_class: Tensor) -> Tensor:
    """(N,) what each further mistake, taken in this order, adds to the Jaccard loss; they sum to 1."""
    present = is_class.double()  # counts of a million voxels, divided, differ only behind float32's last digit
    missed = present.cumsum(0)
    intersection = missed[-1] - missed
    union = missed[-1] + (1.0 - present).cumsum(0)
    jaccard_loss = 1.0 - intersection / union
    return torch.cat([jaccard_loss[:1], jaccard_loss[1:] - jaccard_loss[:-1]])
