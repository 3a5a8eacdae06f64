"""Losses of CenterPoint (Yin et al., CVPR 2021): focal loss of the heat maps and L1 at the centres."""

import torch
from torch import Tensor
from torch.nn import functional


def heat_map_focal(logit: Tensor, heat: Tensor) -> Tensor:
    """Focal loss that spares the surroundings of a centre (CornerNet, Law and Deng, ECCV 2018, eq. 1; alpha 2, beta 4).

    logit, heat: (S, K, H, W), heat 1 at centres, falling to 0 around them. Divided by the number of centres. A scalar.
    """
    logit = logit.to(heat.dtype)
    score, is_centre = logit.sigmoid(), heat == 1
    at_centres = (1 - score) ** 2 * functional.logsigmoid(logit) * is_centre
    elsewhere = (1 - heat) ** 4 * score**2 * functional.logsigmoid(-logit) * ~is_centre
    return -(at_centres.sum() + elsewhere.sum()) / is_centre.sum().clamp_min(1)


def l1_at_centers(value_map: Tensor, scan: Tensor, cell: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of each channel over the centres; truth that is not known (NaN) adds nothing.

    value_map: (S, C, H, W); scan, cell: (P,) int64, cell = row * W + column; truth: (P, C). Returns (C,); 0 without centres.
    """
    values = value_map.flatten(2)[scan, :, cell].to(truth.dtype)  # (P, C)
    known = ~torch.isnan(truth)
    error = (values - torch.where(known, truth, values.detach())).abs()
    return error.sum(dim=0) / max(len(truth), 1)
