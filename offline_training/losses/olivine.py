"""OLIVINE (NeurIPS 2024): its losses. The vMF model lives in von_mises_fisher.py, the pair sampling in pair_sampling.py.

All are re-exported here, so that this file names everything the method needs.
"""

from typing import Literal

import torch
from torch import Tensor

from lidar_vl_core.labels import IGNORE_ID
from offline_training.losses.info_nce import at_least_float32, labelled_info_nce, mean_or_zero, paired_info_nce
from offline_training.losses.pair_sampling import density_and_category_weights, draw_pairs
from offline_training.losses.von_mises_fisher import VmfStatistics, vmf_log_normaliser

__all__ = [
    "VmfStatistics",
    "density_and_category_weights",
    "dirac_consistency",
    "draw_pairs",
    "paired_info_nce",
    "semantic_consistency",
    "vmf_log_normaliser",
    "weakly_supervised_contrastive",
]


def weakly_supervised_contrastive(
    point_feature: Tensor,
    pixel_feature: Tensor,
    label: Tensor,
    temperature: float = 0.07,
    average_over_positives: bool = True,
) -> Tensor:
    """Contrast each point with all pixels of its weak class against the other pixels (OLIVINE, eq. 2).

    point_feature, pixel_feature: (P, C), row i of both is one pair; label: (P,) int64, 255 = no class: such pairs are left
    out, as anchors and as columns. average_over_positives: the paper's 1 / |A(i)|; without it as the original code, which
    differs by a constant. Returns a scalar; without any labelled pair 0, with a gradient path.
    """
    known = label != IGNORE_ID
    truth = label[known]
    loss = labelled_info_nce(point_feature[known], pixel_feature[known], truth, temperature)
    if not average_over_positives:
        return loss
    pairs_of_label = truth.bincount()
    return loss + mean_or_zero(pairs_of_label[truth].to(loss.dtype).log())


def semantic_consistency(
    point_feature: Tensor,
    label: Tensor,
    mean_direction: Tensor,
    kappa: Tensor,
    seen: Tensor,
    average_over: Literal["classes", "points"] = "classes",
) -> Tensor:
    """Negative log density of each point under the von Mises-Fisher distribution of its weak class (OLIVINE, eq. 11).

    point_feature: (P, C), unit rows; label: (P,) int64, 255 = no class; mean_direction: (K, C), kappa and seen: (K,), as of
    VmfStatistics. Points without a class, or of a class that was never seen, take no part. average_over: the original
    averages over the classes present, the paper over the points. Returns a scalar; of no point 0, with a gradient path.
    """
    feature = at_least_float32(point_feature)
    taken = _of_seen_class(label, seen)
    of_point = label[taken]
    log_normaliser = vmf_log_normaliser(kappa.to(feature.dtype), feature.shape[1])
    weighted_direction = (kappa[:, None] * mean_direction).to(feature.dtype)
    log_density = log_normaliser[of_point] + (weighted_direction[of_point] * feature[taken]).sum(dim=1)
    return _mean_over(-log_density, of_point, len(seen), average_over)


def dirac_consistency(
    point_feature: Tensor,
    label: Tensor,
    mean_direction: Tensor,
    seen: Tensor,
    average_over: Literal["classes", "points"] = "classes",
) -> Tensor:
    """Mean of 1 - <mu_y, g> over the points: the class model without a spread (the "deterministic" row of OLIVINE, table 6c).

    The paper names this variant without a formula; this is our reading: the consistency above with one kappa for all.
    Arguments and result as of semantic_consistency.
    """
    feature = at_least_float32(point_feature)
    taken = _of_seen_class(label, seen)
    of_point = label[taken]
    cosine = (mean_direction.to(feature.dtype)[of_point] * feature[taken]).sum(dim=1)
    return _mean_over(1.0 - cosine, of_point, len(seen), average_over)


def _of_seen_class(label: Tensor, seen: Tensor) -> Tensor:
    """(P,) bool: points whose class has statistics."""
    known = label != IGNORE_ID
    return known & seen[torch.where(known, label, 0)]


def _mean_over(loss: Tensor, label: Tensor, classes: int, average_over: Literal["classes", "points"]) -> Tensor:
    """Mean of (P,) losses, over points or first within each class; of none 0 with a gradient path."""
    if average_over == "points":
        return mean_or_zero(loss)
    points = label.bincount(minlength=classes)
    present = (points > 0).sum().clamp_min(1)
    return (loss / (points[label] * present)).sum()
