"""PPKT (Liu et al., 2021) as SLidR re-implemented it: InfoNCE between single points and their pixels."""

import torch
from torch import Tensor

from offline_training.losses.info_nce import paired_info_nce
from offline_training.losses.pair_sampling import draw_pairs


def ppkt_loss(
    point_feature: Tensor,
    pixel_feature: Tensor,
    generator: torch.Generator,
    matches: int = 4096,
    temperature: float = 0.07,
) -> Tensor:
    """paired_info_nce over a uniform draw of the batch's pairs without replacement; of fewer pairs over all.

    point_feature, pixel_feature: (P, C), row i of both is one pair. Returns a scalar; 0 pairs give 0 with a gradient path.
    """
    chosen = draw_pairs(torch.ones(len(point_feature), device=point_feature.device), matches, generator)
    return paired_info_nce(point_feature[chosen], pixel_feature[chosen], temperature)
