"""Seal (Liu et al., NeurIPS 2023): contrast in space and in time over segments of vision foundation models.

Its authors published no training code; the forms below follow the method's description: temporal and point-to-segment are
our reading of it, and the total is the plain sum of the three.
"""

from torch import Tensor

from offline_training.losses.info_nce import mean_or_zero, paired_info_nce, similarity_logits
from offline_training.losses.slidr import superpixel_contrastive, superpixel_means


def spatial(point_mean: Tensor, pixel_mean: Tensor, temperature: float = 0.07) -> Tensor:
    """InfoNCE between the mean point and mean pixel feature of each segment (L_vfm): SLidR's loss over such superpixels.

    point_mean, pixel_mean: (S, C), as slidr.superpixel_means gives them. Returns a scalar.
    """
    return superpixel_contrastive(point_mean, pixel_mean, temperature)


def temporal(
    feature: Tensor,
    cluster: Tensor,
    next_feature: Tensor,
    next_cluster: Tensor,
    count: int,
    temperature: float = 0.07,
) -> Tensor:
    """InfoNCE between the mean features of one cluster at two times, over the clusters seen at both (L_tmp).

    feature: (N, C) and next_feature: (M, C) of the points of both scans; cluster: (N,), next_cluster: (M,) int64 ids
    0..count-1 that both scans share, negative = none. Returns a scalar; without a common cluster 0, with a gradient path.
    """
    now, seen_now = superpixel_means(feature, cluster, count)
    then, seen_then = superpixel_means(next_feature, next_cluster, count)
    both = seen_now & seen_then
    return paired_info_nce(now[both], then[both], temperature)


def point_to_segment(feature: Tensor, segment: Tensor, count: int, temperature: float = 0.07) -> Tensor:
    """InfoNCE of each point with the mean feature of its own segment against the other segments' means (L_p2s).

    feature: (N, C); segment: (N,) int64 ids 0..count-1, negative = none: such points take no part.
    Returns a scalar, the mean over points; without any 0, with a gradient path.
    """
    mean, present = superpixel_means(feature, segment, count)
    inside = segment >= 0
    row_of_segment = present.cumsum(0) - 1
    logits = similarity_logits(feature[inside], mean[present], temperature)
    of_own = logits.gather(1, row_of_segment[segment[inside]][:, None]).squeeze(1)
    return mean_or_zero(logits.logsumexp(dim=1) - of_own)
