"""OLIVINE (NeurIPS 2024): its losses. The vMF model lives in von_mises_fisher.py, the pair sampling in pair_sampling.py."""

from typing import Literal

import torch
from torch import Tensor

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.losses.info_nce import at_least_float32, labelled_info_nce, mean_or_zero
from offline_training.losses.von_mises_fisher import vmf_log_normaliser


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
    row: Tensor | None = None,
) -> Tensor:
    """Negative log density of each point under the von Mises-Fisher distribution of its weak class (OLIVINE, eq. 11).

    point_feature: (P, C), unit rows; label: (P,) int64, 255 = no class; mean_direction: (K, C), kappa and seen: (K,), as of
    VmfStatistics. Points without a class, or of a class that was never seen, take no part. average_over: the original
    averages over the classes present, the paper over the points. row: (P,) int64 into (R, C) features, for points that
    share them. Returns a scalar; of no point 0, with a gradient path.
    """
    taken = _of_seen_class(label, seen)
    of_point = label[taken]
    cosine = _product_with_own(point_feature, mean_direction, of_point, _rows(taken, row))
    log_normaliser = vmf_log_normaliser(kappa.to(cosine.dtype), point_feature.shape[1])
    log_density = log_normaliser[of_point] + kappa.to(cosine.dtype)[of_point] * cosine
    return _mean_over(-log_density, of_point, len(seen), average_over)


def dirac_consistency(
    point_feature: Tensor,
    label: Tensor,
    mean_direction: Tensor,
    seen: Tensor,
    average_over: Literal["classes", "points"] = "classes",
    row: Tensor | None = None,
) -> Tensor:
    """Mean of 1 - <mu_y, g> over the points: the class model without a spread (the "deterministic" row of OLIVINE, table 6c).

    The paper names this variant without a formula; this is our reading: the consistency above with one kappa for all.
    Arguments, their shapes and the result are those of semantic_consistency.
    Shapes, too.
    """
    taken = _of_seen_class(label, seen)
    of_point = label[taken]
    cosine = _product_with_own(point_feature, mean_direction, of_point, _rows(taken, row))
    return _mean_over(1.0 - cosine, of_point, len(seen), average_over)


def _of_seen_class(label: Tensor, seen: Tensor) -> Tensor:
    """(P,) bool: points whose class has statistics."""
    known = label != IGNORE_ID
    return known & seen[torch.where(known, label, 0)]


def _rows(taken: Tensor, row: Tensor | None) -> Tensor:
    """(T,) int64 row of the features that each point of a mask (P,) has; nothing = its own."""
    return torch.nonzero(taken).squeeze(1) if row is None else row[taken]


def _product_with_own(feature: Tensor, mean_direction: Tensor, label: Tensor, row: Tensor) -> Tensor:
    """(T,) of <mean_direction of the label, row of the (R, C) features>, in float32 at least.

    The products of every row with every class are made first: a gather of the features themselves takes longer, backward too.
    """
    directions = mean_direction.to(torch.promote_types(feature.dtype, torch.float32))
    with torch.autocast(device_type=feature.device.type, enabled=False):
        products = at_least_float32(feature) @ directions.T
    return products.flatten().index_select(0, row * len(directions) + label)


def _mean_over(loss: Tensor, label: Tensor, classes: int, average_over: Literal["classes", "points"]) -> Tensor:
    """Mean of (P,) losses, over points or first within each class; 0 with a gradient path if P is 0."""
    if average_over == "points":
        return mean_or_zero(loss)
    points = label.bincount(minlength=classes)
    present = (points > 0).sum().clamp_min(1)
    return (loss / (points[label] * present)).sum()
