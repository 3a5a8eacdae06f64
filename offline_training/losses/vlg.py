"""3DSS-VLG (ECCV 2024): the loss of its adapter and the loss of its 3D network."""

import torch
from torch import Tensor
from torch.nn import functional

from lidar_vl_core.classes.class_table import IGNORE_ID


def class_logits(feature: Tensor, text: Tensor, class_of_prompt: Tensor) -> Tensor:
    """Dot products of features and prompts, of each class its best prompt.

    feature: (N, C), text: (P, C), class_of_prompt: (P,) int64, every class 0..K-1 has a prompt. Returns (N, K).
    """
    of_prompt = feature @ text.T
    classes = int(class_of_prompt.max()) + 1
    if classes == len(text):
        return of_prompt[:, class_of_prompt.argsort()]
    place = class_of_prompt.expand_as(of_prompt)
    return of_prompt.new_zeros(len(feature), classes).scatter_reduce(1, place, of_prompt, "amax", include_self=False)


def adapter_cross_entropy(
    adapted: Tensor, text: Tensor, class_of_prompt: Tensor, class_id: Tensor, logit_scale: float = 1.0
) -> Tensor:
    """Cross-entropy of adapted features against pseudo labels, the loss of the embeddings specialisation stage (L_a).

    adapted: (N, C), text: (P, C) unit rows, class_id: (N,) int64, 255 = none. logit_scale: 1 as in the paper for features
    with a length of their own, the temperature's inverse for those of unit length. Returns a scalar, the mean over the
    points that have a label; without any 0, with a gradient path.
    """
    known = class_id != IGNORE_ID
    if not bool(known.any()):
        return adapted.sum() * 0.0
    return functional.cross_entropy(logit_scale * class_logits(adapted[known], text, class_of_prompt), class_id[known])


def cosine_guidance(feature: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
    """Mean of 1 - cosine over what some view sees, the loss of the embeddings soft-guidance stage (L_s).

    feature, target: (R, C), visible: (R,) bool, default: all. 0 for parallel rows, 2 for opposite ones, whatever their
    lengths; a row of zeros counts 1. Returns a scalar; without any visible row 0, with a gradient path.
    """
    feature, target = _visible(feature, target, visible)
    if len(feature) == 0:
        return feature.sum()
    return (1.0 - functional.cosine_similarity(feature, target, dim=1)).mean()


def l1_guidance(feature: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
    """Mean absolute difference over what some view sees: the alternative in the original code of 3DSS-VLG.

    Shapes as in cosine_guidance().
    """
    feature, target = _visible(feature, target, visible)
    if len(feature) == 0:
        return feature.sum()
    return (feature - target).abs().mean()


def constant_cosine_loss(target: Tensor) -> Tensor:
    """What cosine_guidance() is for the best feature that is the same for all rows, the mean of their directions; target: (R, C)."""
    directions = functional.normalize(target.to(torch.promote_types(target.dtype, torch.float32)), dim=1)
    return 1.0 - directions.mean(dim=0).norm()


def constant_l1_loss(target: Tensor) -> Tensor:
    """What l1_guidance() is for the best feature that is the same for all rows, the median of each channel; target: (R, C)."""
    target = target.to(torch.promote_types(target.dtype, torch.float32))
    return (target - target.median(dim=0).values).abs().mean()


def _visible(feature: Tensor, target: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor]:
    """The visible rows of both, in single precision at least: half precision cannot sum that many."""
    if visible is not None:
        feature, target = feature[visible], target[visible]
    precision = torch.promote_types(feature.dtype, torch.float32)
    return feature.to(precision), target.to(precision)
