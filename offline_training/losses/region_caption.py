"""Contrast of image regions with captions, where a caption may be true of more regions than its own (after CLIP, Radford et al., ICML 2021)."""

import torch
from torch import Tensor
from torch.nn import functional as F


def region_caption_contrast(region: Tensor, caption: Tensor, also_fits: Tensor, logit_scale: Tensor) -> Tensor:
    """Symmetric InfoNCE of regions with their captions; a caption that is true of another region is no negative for it.

    region: (R, C) unit rows; caption: (Q, C) unit rows, the first R belong to the regions, the others are false ones of
    somebody's making; also_fits: (R, Q) bool, caption j may be true of region i; logit_scale: scalar.
    Returns the mean of both directions; 0 regions give 0 with a gradient path.
    """
    if not len(region):
        return (region.sum() + caption.sum()) * logit_scale
    own = torch.arange(len(region), device=region.device)
    logits = _logits(region, caption, also_fits, own, logit_scale)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits[:, : len(region)].T, own)) / 2


def cell_caption_contrast(
    cell: Tensor, region_of_cell: Tensor, weight: Tensor, caption: Tensor, also_fits: Tensor, logit_scale: Tensor
) -> Tensor:
    """Weighted mean InfoNCE of single cells with the captions of their regions, the same way.

    cell: (P, C) unit rows; region_of_cell: (P,) int64; weight: (P,) positive; the rest as in `region_caption_contrast`.
    0 cells give 0 with a gradient path.
    """
    if not len(cell):
        return (cell.sum() + caption.sum()) * logit_scale
    logits = _logits(cell, caption, also_fits[region_of_cell], region_of_cell, logit_scale)
    return (F.cross_entropy(logits, region_of_cell, reduction="none") * weight).sum() / weight.sum()


def _logits(feature: Tensor, caption: Tensor, also_fits: Tensor, own: Tensor, logit_scale: Tensor) -> Tensor:
    """(P, Q) similarities; -inf where a caption that is not a feature's own (P,) may be true of it all the same."""
    is_other = torch.ones_like(also_fits).scatter(1, own[:, None], False)
    return (feature @ caption.T * logit_scale).masked_fill(also_fits & is_other, -torch.inf)
