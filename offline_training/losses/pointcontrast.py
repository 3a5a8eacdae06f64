"""PointContrast (Xie et al., ECCV 2020): the same point in two overlapping views, against other points."""

import torch
from torch import Tensor

from offline_training.losses.info_nce import at_least_float32, mean_or_zero, paired_info_nce
from offline_training.losses.pair_sampling import draw_pairs

_POSITIVE_MARGIN = 0.1  # squared distance of unit features below which a match is near enough
_NEGATIVE_MARGIN = 1.4  # distance from which the nearest stranger is far enough


def pick_matches(anchor: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(<= count,) int64 rows of a list of matches: one at random for each of up to `count` anchors, each anchor once.

    anchor: (P,) int64 point of the first view in each match; a point may have several matches.
    """
    shuffled = draw_pairs(torch.ones(len(anchor), device=anchor.device), len(anchor), generator)
    anchors, of_match = anchor[shuffled].unique(return_inverse=True)
    place = torch.arange(len(shuffled), device=anchor.device)
    first = place.new_zeros(len(anchors)).scatter_reduce(0, of_match, place, "amin", include_self=False)
    return shuffled[first[draw_pairs(torch.ones(len(anchors), device=anchor.device), count, generator)]]


def point_info_nce(feature: Tensor, matched_feature: Tensor, temperature: float = 0.07) -> Tensor:
    """PointInfoNCE (eq. 2): each point against its match and the matches of the others.

    feature, matched_feature: (P, C), unit rows, of matches as pick_matches chooses them. Returns a scalar.
    """
    return paired_info_nce(feature, matched_feature, temperature)


def hardest_contrastive(
    feature: Tensor,
    other_feature: Tensor,
    match: Tensor,
    candidate: Tensor,
    other_candidate: Tensor,
    known_match: Tensor | None = None,
) -> Tensor:
    """Hardest-contrastive loss (eq. 1): matches closer than a margin, the nearest stranger among candidates farther than one.

    feature: (N, C), other_feature: (M, C), unit rows, of two views; match: (P, 2) int64 points that belong together;
    candidate: (A,) points of the first view, other_candidate: (B,) of the second, among which the negatives are sought;
    known_match: (Q, 2) all matches known, which are no negatives (nothing = `match`). A term without members is 0.
    """
    first, second = at_least_float32(feature), at_least_float32(other_feature)
    known = _pair_keys(match if known_match is None else known_match, len(second))
    positive = (first[match[:, 0]] - second[match[:, 1]]).square().sum(dim=1)
    attract = mean_or_zero((positive - _POSITIVE_MARGIN).relu())
    forth = _repel(
        first[match[:, 0]], second[other_candidate], _is_known(match[:, 0], other_candidate, len(second), known)
    )
    back = _repel(second[match[:, 1]], first[candidate], _is_known(candidate, match[:, 1], len(second), known).T)
    return attract + 0.5 * (forth + back)


def _repel(anchor: Tensor, candidate: Tensor, is_match: Tensor) -> Tensor:
    """Mean of relu(margin - distance to the nearest candidate that is no match)^2 over the anchors that have one."""
    squared = anchor.square().sum(1)[:, None] + candidate.square().sum(1)[None, :] - 2.0 * anchor @ candidate.T
    squared = squared.masked_fill(is_match, torch.inf)
    if candidate.shape[0] == 0:
        return anchor.sum() * 0.0
    nearest = squared.amin(dim=1)
    nearest = nearest[nearest.isfinite()].clamp_min(1e-7)  # a root has no slope at 0
    return mean_or_zero((_NEGATIVE_MARGIN - nearest.sqrt()).relu().square())


def _pair_keys(pairs: Tensor, others: int) -> Tensor:
    return pairs[:, 0] * others + pairs[:, 1]


def _is_known(first: Tensor, second: Tensor, others: int, known: Tensor) -> Tensor:
    """(A, B) bool: whether point first[a] and point second[b] are a known match."""
    return torch.isin(first[:, None] * others + second[None, :], known)
