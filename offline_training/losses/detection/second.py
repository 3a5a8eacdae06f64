"""Losses of SECOND's anchor head (Yan et al., Sensors 2018): classes, boxes with the sine of the yaw's error, direction.

Each is divided by the number of positive anchors of its scan, at least 1, and averaged over the scans. Anchors are those
of S scans with N anchors each.
"""

import torch
from torch import Tensor
from torch.nn import functional

from offline_training.losses.detection.focal import sigmoid_focal

BACKGROUND, IGNORED = -1, -2  # of an anchor that has no class
_BETA = 1.0 / 9.0  # where smooth L1 turns from a square to a line
_YAW = 6  # column of a box code


def classification(logit: Tensor, column: Tensor) -> Tensor:
    """Focal loss of the anchors that are not ignored.

    logit: (S, N, K); column: (S, N) int64 score that should be 1, BACKGROUND = none of them, IGNORED. Returns a scalar.
    """
    truth = functional.one_hot(column.clamp_min(BACKGROUND) + 1, logit.shape[2] + 1)[..., 1:]
    per_anchor = sigmoid_focal(logit, truth).sum(dim=2)
    return (per_anchor * (column != IGNORED) / _positives(column)).sum() / len(column)


def localisation(code: Tensor, truth: Tensor, column: Tensor) -> Tensor:
    """Smooth L1 of the codes of positive anchors; a yaw counts by the sine of its error, so half a turn is none (eq. 4).

    code, truth: (S, N, 7); column: (S, N) int64 as in classification(). Returns a scalar; without positives 0 with a
    gradient path.
    """
    scan, anchor = (column >= 0).nonzero(as_tuple=True)
    difference = code[scan, anchor].to(truth.dtype) - truth[scan, anchor]
    difference = torch.cat([difference[:, :_YAW], torch.sin(difference[:, _YAW:])], dim=1)
    size = difference.abs()
    per_code = torch.where(size < _BETA, 0.5 * size**2 / _BETA, size - 0.5 * _BETA)
    return (per_code.sum(dim=1) / _positives(column)[scan, 0]).sum() / len(column)


def direction(logit: Tensor, truth: Tensor, column: Tensor) -> Tensor:
    """Cross-entropy of the half turn that holds the heading, of positive anchors.

    logit: (S, N, 2); truth: (S, N) int64 0 or 1; column: (S, N) int64 as in classification(). Returns a scalar; without
    positives 0 with a gradient path.
    """
    scan, anchor = (column >= 0).nonzero(as_tuple=True)
    per_anchor = functional.cross_entropy(logit[scan, anchor].float(), truth[scan, anchor], reduction="none")
    return (per_anchor / _positives(column)[scan, 0]).sum() / len(column)


def _positives(column: Tensor) -> Tensor:
    """(S, 1) number of positive anchors of each scan, at least 1."""
    return (column >= 0).sum(dim=1, keepdim=True).clamp_min(1)
