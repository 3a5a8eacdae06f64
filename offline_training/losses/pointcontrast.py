"""PointContrast (Xie et al., ECCV 2020): the same point in two overlapping views, against other points."""

import torch
from torch import Tensor

from offline_training.losses.info_nce import paired_info_nce
from offline_training.losses.pair_sampling import draw_pairs


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
